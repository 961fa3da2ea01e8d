package backend

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// ErrNotStored says that the backend holds nothing under that CID or name.
var ErrNotStored = errors.New("not stored")

// ErrUnsupported says that the type has no such operation.
var ErrUnsupported = errors.New("not supported by this type of backend")

// Class tells what kind of trouble an error is, and so what to do about it.
type Class string

// The classes, as ListErrors of the D-Bus interface names them.
const (
	ClassAuth          Class = "auth"          // a person must act: credentials, host key
	ClassQuota         Class = "quota"         // disk full, inodes, limits
	ClassNetwork       Class = "network"       // unreachable, timed out, hangs
	ClassServer        Class = "server"        // the other side failed
	ClassContent       Class = "content"       // this item, not the backend
	ClassConfiguration Class = "configuration" // a person must act: the configuration
)

// Error is a classified failure of a backend. Op says what was being done.
type Error struct {
	// Class of the trouble.
	Class Class
	// Op is what was being done, in words.
	Op string
	// Err is the cause.
	Err error
	// Hint is the next step for a person.
	Hint string
}

// Error is the operation, the cause and the hint.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %v", e.Op, e.Err)
	if e.Hint != "" {
		s = strings.TrimRight(s, ".;") + "; " + e.Hint
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// SourceError says that content could not be read from where it should come
// from: it says nothing about the backend that it was meant for.
type SourceError struct {
	// From is Source.From.
	From string
	// Err is the cause.
	Err error
}

// Error is the source and the cause.
func (e *SourceError) Error() string { return fmt.Sprintf("read content from %s: %v", e.From, e.Err) }

// Unwrap gives the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// HomeError says that a file of the home could not be written: it says nothing about
// the backend whose marks or mapping it is.
type HomeError struct {
	// Err is the cause.
	Err error
}

// Error is the cause, and what to do about it.
func (e *HomeError) Error() string {
	s := fmt.Sprintf("write to the home: %v", e.Err)
	switch {
	case e.full():
		s += "; make room on the disk of the home"
	case errors.Is(e.Err, syscall.EROFS):
		s += "; mount the home for writing"
	case errors.Is(e.Err, syscall.EACCES):
		s += "; let the user of the service write it"
	}
	return s
}

func (e *HomeError) full() bool {
	return errors.Is(e.Err, syscall.ENOSPC) || errors.Is(e.Err, syscall.EDQUOT)
}

// Unwrap gives the cause.
func (e *HomeError) Unwrap() error { return e.Err }

// OfHome tells whether an error is the home's, whatever backend was worked for.
func OfHome(err error) bool {
	_, ok := deciding(err).(*HomeError) //nolint:errorlint // it is one of few itself
	return ok
}

// ClassOf gives the class of an error, ClassServer when nothing says more. Of
// several that are wrapped in each other the outermost counts.
func ClassOf(err error) Class {
	switch e := deciding(err).(type) { //nolint:errorlint // it is one of these itself
	case *Error:
		return e.Class
	case *CorruptError, *SourceError:
		return ClassContent
	case *HomeError:
		if e.full() {
			return ClassQuota
		}
	}
	return ClassServer
}

// deciding finds the outermost error that says whose trouble it is, nil where none does.
func deciding(err error) error {
	for err != nil {
		switch e := err.(type) { //nolint:errorlint // the chain is walked here
		case *Error, *CorruptError, *SourceError, *HomeError:
			return err
		case interface{ Unwrap() []error }:
			for _, sub := range e.Unwrap() {
				if d := deciding(sub); d != nil {
					return d
				}
			}
			return nil
		}
		err = errors.Unwrap(err)
	}
	return nil
}

// StopsPass tells whether an error is the backend's, so that going on with other items is useless.
func StopsPass(err error) bool {
	switch ClassOf(err) {
	case ClassContent:
		return false
	default:
		return true
	}
}

// CorruptError says that content is there but is not what it should be.
type CorruptError struct {
	// What is damaged: the name of a file or object.
	What string
	// Err says how; nil where there is no more to say.
	Err error
}

// Error is what is damaged, and how.
func (e *CorruptError) Error() string {
	if e.Err == nil {
		return e.What + " is damaged"
	}
	return fmt.Sprintf("%s is damaged: %v", e.What, e.Err)
}

// Unwrap gives the cause.
func (e *CorruptError) Unwrap() error { return e.Err }
