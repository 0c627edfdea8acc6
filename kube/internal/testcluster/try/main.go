package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/kube/internal/testcluster"
)

func rss(pid int) string {
	d, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for l := range strings.Lines(string(d)) {
		if strings.HasPrefix(l, "VmRSS") || strings.HasPrefix(l, "RssAnon") {
			fmt.Print(strings.TrimSpace(l), " ")
		}
	}
	fmt.Println()
	return ""
}

func cpu(pid int) float64 {
	d, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	f := strings.Fields(string(d)[strings.LastIndex(string(d), ")")+2:])
	a, _ := strconv.Atoi(f[11])
	b, _ := strconv.Atoi(f[12])
	return float64(a+b) / 100
}

func must(err error) {
	if err != nil {
		fmt.Println("ERROR", err)
		panic(err)
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	n, _ := strconv.Atoi(os.Args[1])
	runtime := os.Args[2]
	dir := "/tmp/kt/run"
	os.RemoveAll(dir)
	os.MkdirAll(dir, 0755)
	t := time.Now()
	c, err := testcluster.Start(ctx, dir, testcluster.Binaries{Etcd: "/tmp/kt/etcd-bin", Kube: "/tmp/berth-kube"})
	must(err)
	defer c.Stop()
	fmt.Println("api ready", time.Since(t))
	t = time.Now()
	cfg := dataplane.Config{Runtime: dataplane.Runtime(runtime)}
	cfg.HostNetwork = os.Getenv("NOHOST") == ""
	if runtime != "hollow" {
		cfg.RuntimeEndpoint = os.Getenv("CRI")
	}
	if os.Getenv("PROXY") != "" {
		p, err := c.PKI.Issue("system:kube-proxy", []string{"system:node-proxier"}, nil)
		must(err)
		cfg.Proxy = &dataplane.Proxy{ClusterCIDRs: []string{"10.0.0.0/16", "100.64.0.0/16"}, NodeIP: "10.0.0.1", CertData: p.Cert, KeyData: p.Key}
	}
	must(c.StartDataplane(ctx, cfg))
	fmt.Println("dataplane ready", time.Since(t))
	rss(c.PID(3))
	time.Sleep(3 * time.Second)
	t = time.Now()
	var wg sync.WaitGroup
	names := make([]string, n)
	for i := range n {
		wg.Go(func() {
			node, err := c.Node(fmt.Sprintf("10.0.%d.%d", i/250, i%250+1))
			must(err)
			names[i] = node.Name
			_, err = c.Dataplane.PutNode(ctx, node)
			must(err)
		})
	}
	wg.Wait()
	fmt.Println("nodes put", time.Since(t))
	ready := func() int {
		l, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		must(err)
		r := 0
		for _, x := range l.Items {
			for _, cond := range x.Status.Conditions {
				if cond.Type == v1.NodeReady && cond.Status == v1.ConditionTrue {
					r++
				}
			}
		}
		return r
	}
	must(testcluster.Until(ctx, func() (bool, error) { return ready() == n, nil }))
	fmt.Println("nodes ready", time.Since(t))
	rss(c.PID(3))
	image := os.Getenv("IMAGE")
	if image == "" {
		image = "example.test/app:1"
	}
	no := false
	t = time.Now()
	for i := range n {
		wg.Go(func() {
			pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i)}, Spec: v1.PodSpec{
				NodeName:   names[i],
				Containers: []v1.Container{{Name: "c", Image: image}},
			}}
			if runtime != "hollow" {
				pod.Spec.Containers[0].ImagePullPolicy = v1.PullNever
			}
			_ = no
			must(testcluster.Until(ctx, func() (bool, error) {
				_, err := c.Client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{})
				return err == nil, nil
			}))
		})
	}
	wg.Wait()
	fmt.Println("pods created", time.Since(t))
	running := func() int {
		l, err := c.Client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		must(err)
		r := 0
		for _, x := range l.Items {
			if x.Status.Phase == v1.PodRunning {
				r++
			}
		}
		return r
	}
	cc, cancel := context.WithTimeout(ctx, 120*time.Second)
	err = testcluster.Until(cc, func() (bool, error) { return running() == n, nil })
	cancel()
	fmt.Println("pods running", time.Since(t), running(), err)
	rss(c.PID(3))
	if os.Getenv("HOLD") != "" {
		<-ctx.Done()
		return
	}
	c0, c1, c2 := cpu(c.PID(3)), cpu(c.PID(1)), cpu(c.PID(2))
	time.Sleep(20 * time.Second)
	fmt.Printf("cpu over 20s idle: dataplane %.2f api %.2f controllers %.2f s\n", cpu(c.PID(3))-c0, cpu(c.PID(1))-c1, cpu(c.PID(2))-c2)
	rss(c.PID(3))
	t = time.Now()
	for i := range n {
		wg.Go(func() {
			must(c.Client.CoreV1().Pods("default").Delete(ctx, fmt.Sprintf("p%d", i), metav1.DeleteOptions{}))
		})
	}
	wg.Wait()
	must(testcluster.Until(ctx, func() (bool, error) {
		l, err := c.Client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		return err == nil && len(l.Items) == 0, nil
	}))
	fmt.Println("pods gone", time.Since(t))
	t = time.Now()
	for i := range n {
		wg.Go(func() {
			must(c.Dataplane.DeleteNode(ctx, names[i], false))
			must(c.Client.CoreV1().Nodes().Delete(ctx, names[i], metav1.DeleteOptions{}))
		})
	}
	wg.Wait()
	fmt.Println("nodes deleted", time.Since(t))
	rss(c.PID(3))
	ents, _ := os.ReadDir(dir + "/nodes")
	fmt.Println("left in nodes:", len(ents))
	if os.Getenv("HOLDEND") != "" {
		<-ctx.Done()
	}
}
