package awsapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/internal/awsapi"
	"berth.dev/berth/internal/awsapi/model"
	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// TestEveryEKSOperationIsAnswered enumerates the model: each operation that has
// no function answers the documented error, and none a success.
func TestEveryEKSOperationIsAnswered(t *testing.T) {
	d := open(t)
	_, implemented := d.services()[0].Coverage()
	for _, op := range model.EKS() {
		name := op.ID().Name
		if implemented[name] {
			continue
		}
		h, _ := smithy.SchemaTrait[*traits.HTTP](op.Schema)
		path := h.URI
		for member, m := range op.Input.Members() {
			if _, ok := smithy.SchemaTrait[*traits.HTTPLabel](m); ok {
				path = strings.ReplaceAll(path, "{"+member+"}", url.PathEscape("arn:a/b"))
			}
		}
		status, header, body := d.raw(t, "eks", h.Method, path, js, "{}")
		want := `{"message":"The operation ` + name + ` of eks is not implemented by Berth."}`
		if status != http.StatusBadRequest || header.Get("x-amzn-ErrorType") != "NotImplementedException" || body != want {
			t.Errorf("%s %s = %d %s", h.Method, path, status, body)
		}
		if status, _, _ := d.raw(t, "", h.Method, path, js, "{}"); status != http.StatusForbidden {
			t.Errorf("unsigned %s %s = %d, want 403", h.Method, path, status)
		}
	}
}

// TestEveryQueryOperationIsAnswered does the same for IAM, STS and EC2.
func TestEveryQueryOperationIsAnswered(t *testing.T) {
	d := open(t)
	for _, s := range d.services()[1:] {
		all, implemented := s.Coverage()
		if len(all) < 10 {
			t.Errorf("%s has %d operations", s.SigningName, len(all))
		}
		for _, name := range all {
			if implemented[name] {
				continue
			}
			status, _, body := d.raw(t, s.SigningName, "POST", "/", form, "Action="+name+"&Version="+s.Version)
			if status != http.StatusBadRequest || !strings.Contains(body, "<Code>NotImplemented</Code><Message>The operation "+name+" of ") {
				t.Errorf("%s %s = %d %s", s.SigningName, name, status, body)
			}
		}
	}
}

func TestCoverage(t *testing.T) {
	page := awsapi.Coverage(open(t).services())
	for _, want := range []string{"## eks: 7 of ", "Implemented: `CreateCluster`, `CreateFargateProfile`,", "Answered with NotImplementedException (400): ActivateCertificateAuthority,", "## ec2: 2 of ", "Answered with NotImplemented (400): "} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page[:400])
		}
	}
}

func TestNewRefuses(t *testing.T) {
	twice := (&domain{}).services()[0].Operations[0]
	tests := []struct {
		name     string
		services []awsapi.Service
	}{
		{"an operation twice", []awsapi.Service{awsapi.EKS(twice, twice)}},
		{"an operation of another API", []awsapi.Service{awsapi.EKS((&domain{}).services()[1].Operations[0])}},
		{"an API twice", []awsapi.Service{awsapi.EKS(), awsapi.EKS()}},
		{"no protocol", []awsapi.Service{{SigningName: "x"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := awsapi.New(config(tt.services)); err == nil {
				t.Error("New took it")
			}
		})
	}
}
