package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"time"
)

// patience is how long a member waits for the others: they start when their node has started them.
const patience = 2 * time.Minute

// serve takes a number from each of n connections and tells all of them the sum.
func serve(port string, n int) error {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	defer listener.Close()
	var members []net.Conn
	sum := 0
	for len(members) < n {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		var number int
		if _, err := fmt.Fscanln(conn, &number); err != nil {
			log.Printf("%s said nothing: %v", conn.RemoteAddr(), err)
			conn.Close()
			continue
		}
		members = append(members, conn)
		sum += number
	}
	for _, conn := range members {
		_, writeErr := fmt.Fprintln(conn, sum)
		err = errors.Join(err, writeErr, conn.Close())
	}
	return err
}

// contribute gives a number to who serves at an address, and returns the sum. It tries again while the name is unknown or
// nobody listens.
func contribute(host, port string, number int) (int, error) {
	deadline := time.Now().Add(patience)
	var conn net.Conn
	for {
		var err error
		if conn, err = net.DialTimeout("tcp", net.JoinHostPort(host, port), 5*time.Second); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return 0, err
		}
		time.Sleep(200 * time.Millisecond)
	}
	defer conn.Close()
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintln(conn, number); err != nil {
		return 0, err
	}
	var sum int
	_, err := fmt.Fscanln(conn, &sum)
	return sum, err
}
