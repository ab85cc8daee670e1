// A plugin of the OpenCCSP gateway in Node: the channel netcat.
import netcat from './netcat.mjs'
import { serve } from './gateway.mjs'

// It is exclusive: only one process can have the port. Raise version with every
// release: of two versions the higher one runs.
serve({ id: 'org.openccsp.examples.netcat', version: '1.0.0', exclusive: true, drivers: [netcat] })
