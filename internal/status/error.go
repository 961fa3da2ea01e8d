package status

import "fmt"

// Code is the last part of a D-Bus error name of this service.
type Code string

// The closed list of codes (contract section 2).
const (
	NoSuchBackend      Code = "NoSuchBackend"
	NoSuchTask         Code = "NoSuchTask"
	NoSuchWorker       Code = "NoSuchWorker"
	InvalidArgument    Code = "InvalidArgument"
	NotReady           Code = "NotReady"
	Paused             Code = "Paused"
	NotCancelable      Code = "NotCancelable"
	RegistryUnreadable Code = "RegistryUnreadable"
	BackendUnavailable Code = "BackendUnavailable"
	AccessDenied       Code = "AccessDenied"
	LimitsExceeded     Code = "LimitsExceeded"
	Unsupported        Code = "Unsupported"
)

// Error is an answer that is an error: what is wrong, with the value that was, and what to do.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// failureDoc is what a command with --json prints to stderr where it fails.
type failureDoc struct {
	// What failed and why, in words.
	Error string `json:"error"`
	// Last part of the D-Bus error's name, such as NoSuchBackend; absent where the service did not answer with one.
	Code Code `json:"code,omitempty"`
	// What to do now: a command, or words; absent where nothing helps.
	Next string `json:"next,omitempty"`
	// The exit status of the command.
	Exit int `json:"exit"`
}

// FailureDocument is what a command with --json prints to stderr where it fails, in one line; code and next may be empty.
func FailureDocument(message string, code Code, next string, exit int) ([]byte, error) {
	return compact("failure", failureDoc{message, code, next, exit})
}

// StartAgainError says that the service must be started again: the sandbox of its
// unit was made before a folder was there, and holds it read-only.
type StartAgainError struct{ Folder string }

func (e *StartAgainError) Error() string {
	return e.Folder + " appeared after the start, and is read-only in the sandbox of the unit: the service ends itself to be started again"
}
