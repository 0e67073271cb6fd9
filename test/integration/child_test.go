package integration

// isChild reports whether this process was started by a test, to be a scheduler of its own.
func isChild() bool { return false }

func runChild() int { return 1 }
