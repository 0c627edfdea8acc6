package ec2

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
)

// pool says which addresses of a block are taken. It is a record of its own,
// so that taking an address reads neither the interfaces nor other subnets.
type pool struct {
	// Used has a bit for every address of the block, from its base.
	Used []byte `json:"used"`
	// Next is where the search begins: an address that was given back is the
	// last to be given out again, because names and connections outlive it.
	Next int `json:"next"`
	// Groups counts the interfaces that carry each security group.
	Groups map[string]int `json:"groups,omitempty"`
}

// errPoolEmpty says that every address of a pool is taken.
var errPoolEmpty = errors.New("no free address")

// reservedAtBase is how many addresses at a subnet's base AWS keeps: the
// network, the router, the resolver and one for future use.
const reservedAtBase = 4

func (p *pool) has(i int) bool { return i/8 < len(p.Used) && p.Used[i/8]&(1<<(i%8)) != 0 }

func (p *pool) set(i int) {
	for i/8 >= len(p.Used) {
		p.Used = append(p.Used, 0)
	}
	p.Used[i/8] |= 1 << (i % 8)
}

func (p *pool) clear(i int) {
	if i/8 < len(p.Used) {
		p.Used[i/8] &^= 1 << (i % 8)
	}
}

// count is how many addresses are taken.
func (p *pool) count() int {
	n := 0
	for _, b := range p.Used {
		n += bits.OnesCount8(b)
	}
	return n
}

// takeNext takes the next free number in [low, high), wrapping around once.
func (p *pool) takeNext(low, high int) (int, error) {
	start := p.Next
	if start < low || start >= high {
		start = low
	}
	for n := range high - low {
		i := low + (start-low+n)%(high-low)
		if !p.has(i) {
			p.set(i)
			p.Next = i + 1
			return i, nil
		}
	}
	return 0, errPoolEmpty
}

// take takes the next free address of a subnet's block.
func (p *pool) take(block netip.Prefix) (netip.Addr, error) {
	i, err := p.takeNext(reservedAtBase, size(block)-1)
	if err != nil {
		return netip.Addr{}, err
	}
	return addressAt(block, i), nil
}

// takeThis takes one address of a subnet's block.
func (p *pool) takeThis(block netip.Prefix, a netip.Addr) error {
	i, err := p.index(block, a)
	if err != nil {
		return err
	}
	if p.has(i) {
		return errAddressTaken
	}
	p.set(i)
	return nil
}

var (
	errAddressTaken   = errors.New("address is taken")
	errAddressOutside = errors.New("address is outside of the subnet's range")
)

func (p *pool) index(block netip.Prefix, a netip.Addr) (int, error) {
	if !block.Contains(a) {
		return 0, fmt.Errorf("%s in %s: %w", a, block, errAddressOutside)
	}
	i := int(number(a) - number(block.Addr()))
	if i < reservedAtBase || i >= size(block)-1 {
		return 0, fmt.Errorf("%s in %s is reserved: %w", a, block, errAddressOutside)
	}
	return i, nil
}

// giveBack frees an address of a subnet's block.
func (p *pool) giveBack(block netip.Prefix, a netip.Addr) {
	if block.Contains(a) {
		p.clear(int(number(a) - number(block.Addr())))
	}
}

// free is how many addresses of a subnet's block can be taken.
func (p *pool) free(block netip.Prefix) int { return size(block) - reservedAtBase - 1 - p.count() }

func (p *pool) useGroups(ids []string) {
	if p.Groups == nil {
		p.Groups = map[string]int{}
	}
	for _, id := range ids {
		p.Groups[id]++
	}
}

func (p *pool) dropGroups(ids []string) {
	for _, id := range ids {
		if p.Groups[id]--; p.Groups[id] <= 0 {
			delete(p.Groups, id)
		}
	}
}

func size(block netip.Prefix) int { return 1 << (32 - block.Bits()) }

func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func addressAt(block netip.Prefix, i int) netip.Addr {
	n := number(block.Addr()) + uint32(i)
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
