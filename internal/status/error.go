package status

import "fmt"

// Code is the last part of a D-Bus error name of this service.
type Code string

// The closed list of codes (contract section 2).
const (
	NoSuchBackend      Code = "NoSuchBackend"      // no backend has the name
	NoSuchTask         Code = "NoSuchTask"         // no task has the id
	NoSuchWorker       Code = "NoSuchWorker"       // no worker has the name
	InvalidArgument    Code = "InvalidArgument"    // an argument or option is unknown, of a wrong type or out of its range
	NotReady           Code = "NotReady"           // the home is being read, or isn't there, or the service leaves the bus
	Paused             Code = "Paused"             // what was asked for can't begin while it is paused
	NotCancelable      Code = "NotCancelable"      // the task has ended
	RegistryUnreadable Code = "RegistryUnreadable" // a registry can't be read; not answered by this version, which goes on with what it read before
	BackendUnavailable Code = "BackendUnavailable" // the backend can't be used as it is configured, or nothing of it could be queued
	AccessDenied       Code = "AccessDenied"       // the caller may not do it
	LimitsExceeded     Code = "LimitsExceeded"     // too much at once
	Unsupported        Code = "Unsupported"        // this version, or this backend, does not do it
)

// Error is an answer that is an error: what is wrong, with the value that was, and what to do.
type Error struct {
	// Code is the last part of its D-Bus name.
	Code Code
	// Message is for people.
	Message string
}

// Error is the message alone.
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
	// What is said beside: that an old command acts on this service, say; absent where nothing is.
	Hint string `json:"hint,omitempty"`
	// The exit status of the command.
	Exit int `json:"exit"`
}

// FailureDocument is what a command with --json prints to stderr where it fails, in one line; code, next and hint may be empty.
func FailureDocument(message string, code Code, next, hint string, exit int) ([]byte, error) {
	return compact("failure", failureDoc{message, code, next, hint, exit})
}

// hintDoc is what a command with --json prints to stderr where nothing failed and something is to be said beside.
type hintDoc struct {
	// What is said beside, in words.
	Hint string `json:"hint"`
}

// HintDocument is what a command with --json prints to stderr where it does not fail, in one line.
func HintDocument(hint string) ([]byte, error) { return compact("hint", hintDoc{hint}) }

// StartAgainError says that the service must be started again: the sandbox of its
// unit was made before a folder was there, and holds it read-only.
type StartAgainError struct {
	// Folder that is held, as an absolute path.
	Folder string
	// Named: it was there when it was looked at first, but the unit names it as one to write to.
	Named bool
}

// Error says which folder, and what the service does.
func (e *StartAgainError) Error() string {
	if e.Named {
		return e.Folder + " is read-only in the sandbox of the unit, which was made before the unit named it or before it was there: the service ends itself to be started again"
	}
	return e.Folder + " appeared after the start, and is read-only in the sandbox of the unit: the service ends itself to be started again"
}
