package ec2

import "berth.dev/berth/internal/fault"

// errDryRun is the refusal of a dry run that would have succeeded.
var errDryRun = fault.New(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")

func missingParameter(name string) *fault.Error {
	return fault.New(400, "MissingParameter", "The request must contain the parameter %s", name)
}

func invalidValue(format string, args ...any) *fault.Error {
	return fault.New(400, "InvalidParameterValue", format, args...)
}

func dependency(format string, args ...any) *fault.Error {
	return fault.New(400, "DependencyViolation", format, args...)
}

func hasDependencies(noun, id string) *fault.Error {
	return dependency("The %s '%s' has dependencies and cannot be deleted.", noun, id)
}

func unsupported(format string, args ...any) *fault.Error {
	return fault.New(400, "UnsupportedOperation", format, args...)
}

// required refuses the first name whose value is empty: name, value, name, value…
func required(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return missingParameter(pairs[i])
		}
	}
	return nil
}

// refuseDryRun answers the dry run of an operation that only reads.
func refuseDryRun(dryRun bool) error {
	if dryRun {
		return errDryRun
	}
	return nil
}

// ReturnOutput is the answer of an operation that answers only success: a
// struct without members is sent as <return>true</return>.
type ReturnOutput struct{}

func done(err error) (*ReturnOutput, error) {
	if err != nil {
		return nil, err
	}
	return &ReturnOutput{}, nil
}
