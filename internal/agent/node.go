package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"

	"berth.dev/berth/dataplane"
)

// Launch is a node to start, with the interface of its pod.
type Launch struct {
	ClusterID string
	Node      dataplane.Node
	PodUID    string
	Interface string
}

// node is one node of a plane. Its lock is held while the dataplane is told of
// it, so that a node that has ended is not put again by a restore.
type node struct {
	mu sync.Mutex
	dataplane.Node
	// served is the address under which a flat host knows its kubelet.
	served string
	ended  bool
}

// node finds a node, or takes it up; known says that it was there.
func (p *plane) node(described dataplane.Node) (n *node, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, known = p.nodes[described.Name]
	if !known {
		n = &node{Node: described}
		p.nodes[described.Name] = n
	}
	return n, known
}

// putAll puts every node again.
func (p *plane) putAll(ctx context.Context) error {
	p.mu.Lock()
	nodes := make([]*node, 0, len(p.nodes))
	for _, n := range p.nodes {
		nodes = append(nodes, n)
	}
	p.mu.Unlock()
	for _, n := range nodes {
		n.mu.Lock()
		_, err := p.put(ctx, n)
		n.mu.Unlock()
		if err != nil && !errors.Is(err, errEnded) {
			return err
		}
	}
	return nil
}

var errEnded = errors.New("the node has ended")

// put starts a node in the dataplane and makes its kubelet reachable; the
// caller holds the node's lock.
func (p *plane) put(ctx context.Context, n *node) (dataplane.NodeStatus, error) {
	if n.ended {
		return dataplane.NodeStatus{}, fmt.Errorf("starting node %s: %w", n.Name, errEnded)
	}
	s, err := p.client.PutNode(ctx, n.Node)
	if err != nil {
		return s, fmt.Errorf("starting node %s: %w", n.Name, err)
	}
	if p.flat != nil && s.KubeletAddress != "" {
		n.served = kubeletAddress(n.Node, s)
		p.flat.Serve(n.served, s.KubeletAddress)
	}
	return s, nil
}

// end removes a node and all that runs on it; the caller holds the node's lock.
func (p *plane) end(ctx context.Context, n *node) error {
	if err := p.client.DeleteNode(ctx, n.Name, true); err != nil {
		return err
	}
	if n.served != "" {
		p.flat.Serve(n.served, "")
	}
	n.ended = true
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.nodes, n.Name)
	return nil
}

// kubeletAddress is where the API server expects a node's kubelet.
func kubeletAddress(n dataplane.Node, s dataplane.NodeStatus) string {
	_, port, err := net.SplitHostPort(s.KubeletAddress)
	if err != nil {
		port = "10250"
	}
	return net.JoinHostPort(n.IP, port)
}

// Launch starts a node; doing it again does nothing. It returns what the
// dataplane observes of it.
func (a *Agent) Launch(ctx context.Context, l Launch) (dataplane.NodeStatus, error) {
	a.mu.Lock()
	p, ok := a.planes[l.ClusterID]
	if ok {
		a.pods[l.PodUID] = pod{vpcID: p.cluster.VPC, interfaceID: l.Interface}
	}
	a.mu.Unlock()
	if !ok {
		return dataplane.NodeStatus{}, fmt.Errorf("launching node %s: %w", l.Node.Name, ErrNoPlane)
	}
	if err := a.VPCs.Declared(ctx, p.cluster.VPC, l.Interface); err != nil {
		return dataplane.NodeStatus{}, fmt.Errorf("launching node %s: %w", l.Node.Name, err)
	}
	n, _ := p.node(l.Node)
	n.mu.Lock()
	defer n.mu.Unlock()
	return p.put(ctx, n)
}

// Launched says whether a node has been launched since the agent started.
func (a *Agent) Launched(clusterID, name string) bool {
	a.mu.Lock()
	p, ok := a.planes[clusterID]
	a.mu.Unlock()
	if !ok {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok = p.nodes[name]
	return ok
}

// Terminate ends a node with everything that runs on it, also one that was
// launched before the agent was restarted; when it returns nil nothing of the
// node is left on the host.
func (a *Agent) Terminate(ctx context.Context, l Launch) error {
	a.mu.Lock()
	p, ok := a.planes[l.ClusterID]
	a.mu.Unlock()
	if !ok {
		return fmt.Errorf("terminating node %s: %w", l.Node.Name, ErrNoPlane)
	}
	n, known := p.node(l.Node)
	n.mu.Lock()
	defer n.mu.Unlock()
	if !known {
		// A dataplane removes what it knows: what ran before a restart it learns
		// of by taking the node up once more.
		if _, err := p.put(ctx, n); err != nil {
			return err
		}
	}
	if !n.ended {
		if err := p.end(ctx, n); err != nil {
			return fmt.Errorf("terminating node %s: %w", l.Node.Name, err)
		}
	}
	if err := a.VPCs.Detach(ctx, p.cluster.VPC, l.Interface); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("terminating node %s: %w", l.Node.Name, err)
	}
	a.mu.Lock()
	delete(a.pods, l.PodUID)
	a.mu.Unlock()
	return nil
}
