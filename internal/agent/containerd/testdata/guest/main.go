// Command guest is what the tests run inside sandboxes, and their CNI plugin.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

func main() {
	if filepath.Base(os.Args[0]) == "berth-cni" {
		plugin()
		return
	}
	verb := "pause"
	if len(os.Args) > 1 {
		verb = os.Args[1]
	}
	switch verb {
	case "pause":
		fmt.Println("guest started")
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		<-stop
		fmt.Println("guest stopped")
	case "serve":
		serve(os.Args[2])
	case "uname":
		uname()
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "write":
		if err := os.WriteFile(os.Args[2], []byte(os.Args[3]), 0o644); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "allocate":
		megabytes, _ := strconv.Atoi(os.Args[2])
		var kept [][]byte
		for range megabytes {
			block := make([]byte, 1<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			kept = append(kept, block)
		}
		fmt.Println("allocated", len(kept))
	}
}

// serve greets on a loopback port, and echoes one line.
func serve(port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("guest started")
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		line, _ := bufio.NewReader(conn).ReadString('\n')
		fmt.Fprintf(conn, "hello %s", line)
		conn.Close()
	}
}

func uname() {
	var name syscall.Utsname
	if err := syscall.Uname(&name); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(text(name.Sysname), text(name.Release), text(name.Version))
}

func text(field [65]int8) string {
	var b []byte
	for _, c := range field {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}

// plugin claims to have attached the pod, and leaves it its loopback.
func plugin() {
	if os.Getenv("CNI_COMMAND") != "ADD" {
		return
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"cniVersion": "1.0.0",
		"interfaces": []map[string]string{{"name": "eth0", "sandbox": os.Getenv("CNI_NETNS")}},
		"ips":        []map[string]any{{"address": "192.0.2.2/32", "interface": 0}},
	})
}
