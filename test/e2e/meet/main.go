// Command meet does what a distributed training program does first, with nothing but sockets: it reads from its environment
// who takes part and where, finds the others, and adds up a number of each. It stands in for frameworks whose images are
// gigabytes.
//
//	meet pytorch     reads the environment as torch.distributed does with init_method env://
//	meet torchrun    reads it as torchrun does
//	meet jax         as the examples of jax.distributed.initialize do
//	meet tensorflow  as a parameter server or worker of TensorFlow does
//	meet stay        runs until it is stopped
//	meet crash CODE  fails with the exit code the first time, and ends well once its pod was replaced
//	meet eat         uses up its memory the first time
package main

import (
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("what to meet as?")
	}
	var err error
	switch os.Args[1] {
	case "pytorch":
		err = ranks("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE")
	case "torchrun":
		err = ranks("PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_NODE_RANK", "PET_NNODES")
	case "jax":
		err = ranks("COORDINATOR_ADDRESS", "COORDINATOR_PORT", "PROCESS_ID", "NUM_PROCESSES")
	case "tensorflow":
		err = tensorflow()
	case "crash":
		err = crash(os.Args[2:])
	case "stay":
		stay()
	case "eat":
		eat()
	default:
		err = fmt.Errorf("it does not know %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// ranks meets at the address of rank 0. The arguments name the variables that say where that is, and who this is.
func ranks(addressVar, portVar, rankVar, sizeVar string) error {
	rank, err := strconv.Atoi(os.Getenv(rankVar))
	if err != nil {
		return fmt.Errorf("%s: %w", rankVar, err)
	}
	size, err := strconv.Atoi(os.Getenv(sizeVar))
	if err != nil {
		return fmt.Errorf("%s: %w", sizeVar, err)
	}
	served := make(chan error, 1)
	if rank == 0 {
		go func() { served <- serve(os.Getenv(portVar), size) }()
	} else {
		served <- nil
	}
	sum, err := contribute(os.Getenv(addressVar), os.Getenv(portVar), rank)
	if err != nil {
		return err
	}
	fmt.Printf("rank %d of %d: the ranks add up to %d\n", rank, size, sum)
	return <-served
}

// stay waits until the program is told to stop.
func stay() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

// attempt is how often this pod was replaced before.
func attempt() string { return os.Getenv("ATTEMPT") }

func crash(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("crash with which exit code?")
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if attempt() == "" || attempt() == "0" {
		fmt.Println("step 1: loss 0.7")
		fmt.Println("the disk of the data set is gone")
		os.Exit(code)
	}
	fmt.Println("attempt", attempt(), "ends well")
	return nil
}

// eat takes memory until the kernel ends it, the first time.
func eat() {
	var eaten [][]byte
	for attempt() == "" || attempt() == "0" {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 1
		}
		eaten = append(eaten, block)
		if len(eaten)%8 == 0 {
			fmt.Println("ate", len(eaten), "MiB")
			time.Sleep(10 * time.Millisecond)
		}
	}
	fmt.Println("attempt", attempt(), "ends well")
}
