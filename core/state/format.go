// Package state holds the stored formats, made from state.proto and stored.proto,
// and what belongs to them.
package state

// Format is the number of the stored formats of this version; it is the first
// byte of every stored value. A binary reads Format and Format-1.
const Format = 1
