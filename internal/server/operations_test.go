package server

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"berth.dev/berth/internal/awsapi"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// implemented is how many operations are implemented. It may rise and not fall:
// somebody's script calls each of them.
const implemented = 110

// operationsPage is the page that users read.
const operationsPage = "../../docs/reference/operations.md"

const operationsHead = `# Operations

What Berth implements of each AWS API, out of the operations that the API's
model has. Every other operation of a model is known, and is refused with an AWS
error: Berth never answers with a success that it did not bring about. This page
is generated: ` + "`go test ./internal/server -run TestOperations -update`" + `.

`

// served are the services with the operations that the composition root wires.
func served() []awsapi.Service {
	return []awsapi.Service{
		awsapi.EKS(eksOperations(nil)...), awsapi.EC2(ec2Operations(nil)...),
		awsapi.IAM(iamOperations(nil)...), awsapi.STS(stsOperations(nil)...),
	}
}

func TestOperations(t *testing.T) {
	services := served()
	got := []byte(operationsHead + awsapi.Coverage(services))
	if *update {
		if err := os.WriteFile(operationsPage, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(operationsPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(bytes.TrimSpace(want)), string(bytes.TrimSpace(got))); diff != "" {
		t.Errorf("%s (-want +got), -update rewrites it:\n%s", operationsPage, diff)
	}
	score := 0
	for _, s := range services {
		all, have := s.Coverage()
		score += len(have)
		for name := range have {
			if !slices.Contains(all, name) {
				t.Errorf("%s implements %s, which its model does not have", s.SigningName, name)
			}
		}
	}
	switch {
	case score < implemented:
		t.Errorf("%d operations are implemented, and there were %d: the score may only rise", score, implemented)
	case score > implemented:
		t.Errorf("%d operations are implemented, more than %d: raise the constant", score, implemented)
	}
}

// TestFrontDoorTakesEveryOperation holds that each method's shapes are those of
// its operation, which the front door checks when it is made.
func TestFrontDoorTakesEveryOperation(t *testing.T) {
	_, err := awsapi.New(awsapi.Config{Services: served(), Keys: keys{}, Authorizer: authorizer(nil), Clock: clock.RealClock{}, Region: "us-east-1"})
	if err != nil {
		t.Errorf("making the front door: %v", err)
	}
}
