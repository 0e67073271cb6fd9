// Package health knows which of the driver's Xid errors make a GPU unusable,
// and for how long.
package health

// Class says whose fault an Xid error is.
type Class int

const (
	// Fatal errors leave a GPU that the next job cannot rely on.
	Fatal Class = iota
	// Application errors end the program that caused them; the GPU is fine.
	Application
	// Notice is for what an administrator should know of, and the GPU survives.
	Notice
)

// catalogue holds the Xid errors that are known by number. Classes and meaning
// follow NVIDIA's "XID Errors" guide
// (https://docs.nvidia.com/deploy/xid-errors/index.html); those that the
// application causes are the ones that NVIDIA's device plugin ignores, too.
var catalogue = map[uint64]struct {
	class Class
	means string
}{
	8:   {Application, "the GPU stopped processing"},
	13:  {Application, "graphics engine exception"},
	31:  {Application, "GPU memory page fault"},
	43:  {Application, "the GPU stopped processing the program"},
	45:  {Application, "cleanup after the program was ended"},
	68:  {Application, "video processor exception"},
	109: {Application, "context switch timeout"},
	137: {Application, "NVLink memory access fault of the program"},

	63:  {Notice, "a memory row is to be remapped at the next reset"},
	92:  {Notice, "many single-bit ECC errors"},
	94:  {Notice, "contained ECC error: the program that met it was ended"},
	121: {Notice, "corrected error of the connection between chips"},

	38:  {Fatal, "driver firmware error"},
	48:  {Fatal, "double-bit ECC error"},
	61:  {Fatal, "internal microcontroller breakpoint"},
	62:  {Fatal, "internal microcontroller halt"},
	64:  {Fatal, "a memory row could not be remapped"},
	69:  {Fatal, "graphics engine class error"},
	74:  {Fatal, "NVLink error"},
	79:  {Fatal, "the GPU has fallen off the bus"},
	95:  {Fatal, "uncontained ECC error"},
	110: {Fatal, "security fault"},
	119: {Fatal, "the GPU's system processor does not answer"},
	120: {Fatal, "error of the GPU's system processor"},
	136: {Fatal, "NVLink training failed"},
	140: {Fatal, "unrecovered ECC error"},
	143: {Fatal, "the GPU could not be initialised"},
}

// Classify returns the class of an Xid error. What is not known by number is
// fatal: a job that starts on a broken GPU costs more than a GPU that rests.
func Classify(xid uint64) Class {
	return catalogue[xid].class // the zero class is Fatal
}

// Meaning says in a few words what the Xid error tells; "" if it is not known.
func Meaning(xid uint64) string {
	return catalogue[xid].means
}
