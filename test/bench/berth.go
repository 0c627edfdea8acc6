package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/agent/containerd"
	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/ec2client"
	"berth.dev/berth/internal/server"
)

const (
	region = "eu-west-1"
	// namespace is the one that the profile of a measured cluster selects.
	namespace = "bench"
	// endTimeout is how long an end may take, also after an interrupt.
	endTimeout = 2 * time.Minute
)

// berth is a running Berth, with clients of it.
type berth struct {
	dir    string
	bench  *bench
	cmd    *exec.Cmd
	exited chan struct{}
	target cli.Target
	eks    *awseks.Client
	iam    *awsiam.Client
	ec2    *ec2client.Client
	// subnets and roles are what clusters and profiles are made with.
	subnets                   []string
	clusterRole, profilesRole string
}

// startBerth starts a Berth and makes what clusters need. end purges it.
func (b *bench) startBerth(ctx context.Context, name, runtime string) (_ *berth, err error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	r := &berth{dir: filepath.Join(b.dir, name), bench: b, exited: make(chan struct{})}
	log, err := os.Create(r.dir + ".log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	r.cmd = exec.Command(b.berth, "server", "--data-dir", r.dir, "--listen", listen, "--region", region, "--runtime", runtime)
	r.cmd.Env = append(os.Environ(), "BERTH_BIN="+b.bin)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	// A terminal's Ctrl-C is for this program, which ends the Berth in order.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting Berth %s: %w", name, err)
	}
	go func() { defer close(r.exited); _ = r.cmd.Wait() }()
	defer func() {
		if err != nil {
			r.end()
		}
	}()
	if err := r.ready(ctx); err != nil {
		return nil, err
	}
	r.clients("http://" + listen)
	if err := r.network(ctx); err != nil {
		return nil, err
	}
	return r, r.roles(ctx)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (r *berth) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return until(ctx, "Berth is ready; see "+r.dir+".log", 20*time.Millisecond, func(context.Context) (bool, error) {
		select {
		case <-r.exited:
			cancel()
			return false, errors.New("it has exited")
		default:
		}
		state, err := server.ReadState(r.dir)
		return err == nil && state.Ready, err
	})
}

func (r *berth) clients(endpoint string) {
	r.target = cli.Target{Endpoint: endpoint, Region: region, Credentials: aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}}
	config := aws.Config{
		Region: region, BaseEndpoint: &endpoint, HTTPClient: &http.Client{},
		Credentials: credentials.StaticCredentialsProvider{Value: r.target.Credentials},
	}
	r.eks, r.iam = awseks.NewFromConfig(config), awsiam.NewFromConfig(config)
	r.ec2 = &ec2client.Client{Endpoint: endpoint, Region: region, Credentials: r.target.Credentials, HTTP: &http.Client{}, Now: time.Now}
}

// network makes a VPC with a private subnet in each of two zones.
func (r *berth) network(ctx context.Context) error {
	vpc, err := r.ec2.CreateVPC(ctx, "10.0.0.0/16", nil)
	if err != nil {
		return err
	}
	if err := r.ec2.SetVPCAttribute(ctx, vpc.ID, "EnableDnsHostnames", true); err != nil {
		return err
	}
	for i, zone := range []string{"a", "b"} {
		subnet, err := r.ec2.CreateSubnet(ctx, ec2client.Subnet{VPCID: vpc.ID, CIDR: fmt.Sprintf("10.0.%d.0/19", i*32), Zone: region + zone})
		if err != nil {
			return err
		}
		r.subnets = append(r.subnets, subnet.ID)
	}
	return nil
}

func (r *berth) roles(ctx context.Context) error {
	for name, service := range map[string]string{"cluster": "eks.amazonaws.com", "pods": "eks-fargate-pods.amazonaws.com"} {
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`
		out, err := r.iam.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
		if err != nil {
			return err
		}
		if name == "pods" {
			r.profilesRole = *out.Role.Arn
		} else {
			r.clusterRole = *out.Role.Arn
		}
	}
	return nil
}

// pid is the server's.
func (r *berth) pid() int { return r.cmd.Process.Pid }

// containerd is where the Berth's containerd keeps everything.
func (r *berth) containerd() containerd.Paths { return agent.Paths(filepath.Join(r.dir, "agent")) }

// end stops the Berth and purges it, whatever has become of it.
func (r *berth) end() {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.exited:
	case <-ctx.Done():
		_ = r.cmd.Process.Kill()
		<-r.exited
	}
	if r.bench.keep {
		r.keepLogs()
	}
	purge := exec.CommandContext(ctx, r.bench.berth, "down", "--purge", "--data-dir", r.dir)
	purge.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if out, err := purge.CombinedOutput(); err != nil {
		fmt.Fprintf(r.bench.log, "bench: purging %s: %v: %s\n", r.dir, err, out)
	}
}

// keepLogs copies the logs of the Berth's processes out of what is purged.
func (r *berth) keepLogs() {
	kept := r.dir + "-logs"
	err := filepath.WalkDir(r.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Ext(path) != ".log" {
			return nil // what vanishes while it is looked at is no log
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(kept, 0o755); err != nil {
			return err
		}
		below, err := filepath.Rel(r.dir, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(kept, strings.ReplaceAll(below, "/", "_")), text, 0o644)
	})
	if err != nil {
		fmt.Fprintf(r.bench.log, "bench: keeping the logs of %s: %v\n", r.dir, err)
	}
}
