// Command meet does what the start of a distributed training program does, with nothing but sockets.
package main

import "os"

func main() {
	os.Exit(0)
}
