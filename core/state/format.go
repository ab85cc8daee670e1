package state

// Format is the number of the stored formats of this version; it is the first
// byte of every stored value. A binary reads Format and Format-1.
const Format = 1
