package dbus

import (
	"context"
	"fmt"
	"os"

	godbus "github.com/godbus/dbus/v5"

	"ipfskit.org/intelligent/internal/status"
)

// ActionPrefix begins the names of the polkit actions; the verb follows.
const ActionPrefix = "org.ipfskit.intelligent1."

// actionLog is the action of setting a property of LogControl1.
const actionLog = "log-control"

// Polkit's interface, as far as this program calls it.
const (
	polkitName = "org.freedesktop.PolicyKit1"
	polkitPath = "/org/freedesktop/PolicyKit1/Authority"
	polkitAsk  = polkitName + ".Authority.CheckAuthorization"
	// polkitInteract has polkit ask a person, who may take minutes.
	polkitInteract = uint32(1)
)

// maxQuestions is how many questions about one user may wait for a person. The bus
// lets a connection wait for 128 answers: one user must not use them all.
const maxQuestions = 8

// maxCallers bounds the callers that are remembered; more of them are asked about again.
const maxCallers = 1000

// admit refuses a caller that may not call: with Polkit everybody may read, and
// for an action polkit decides; else only root and the service's own user may
// call at all. It comes before any other error, and may wait for a person.
func (s *Server) admit(conn *godbus.Conn, sender string, flags godbus.Flags, action string) error {
	if s.o.Polkit && action == "" {
		return nil
	}
	ctx := s.callContext()
	uid, err := s.uidOf(ctx, conn, sender)
	if err != nil {
		return status.Errorf(status.AccessDenied, "the bus does not say whose the connection %s is (%v); call again", sender, err)
	}
	if own := os.Getuid(); uid == 0 || int(uid) == own {
		return nil
	} else if !s.o.Polkit {
		return status.Errorf(status.AccessDenied, "this is the service of user %d, and you are user %d; call your own, or as that user", own, uid)
	}
	if !s.question(uid, 1) {
		return status.Errorf(status.AccessDenied, "%d questions of yours to polkit have no answer yet; answer them first", maxQuestions)
	}
	defer s.question(uid, -1)
	return askPolkit(ctx, conn, sender, flags&godbus.FlagAllowInteractiveAuthorization != 0, ActionPrefix+action)
}

// question counts the questions about a user that polkit has not answered; false: there are too many for one more.
func (s *Server) question(uid uint32, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.questions[uid]+n > maxQuestions {
		return false
	}
	if s.questions[uid] += n; s.questions[uid] == 0 {
		delete(s.questions, uid)
	}
	return true
}

// uidOf is the user of a connection. The bus never gives a unique name twice, so the answer stays true.
func (s *Server) uidOf(ctx context.Context, conn *godbus.Conn, sender string) (uid uint32, err error) {
	s.mu.Lock()
	uid, known := s.uids[sender]
	s.mu.Unlock()
	if known {
		return uid, nil
	}
	if err := conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionUnixUser", 0, sender).Store(&uid); err != nil {
		return 0, fmt.Errorf("ask the bus for the user of %s: %w", sender, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.uids) >= maxCallers {
		clear(s.uids)
	}
	if s.conn == conn { // a late answer of a bus that is lost says nothing about the next one
		s.uids[sender] = uid
	}
	return uid, nil
}

// askPolkit asks whether a connection may do something. A person is asked only where the call allowed it.
func askPolkit(ctx context.Context, conn *godbus.Conn, sender string, interactive bool, action string) error {
	subject := struct {
		Kind    string
		Details map[string]godbus.Variant
	}{"system-bus-name", map[string]godbus.Variant{"name": godbus.MakeVariant(sender)}}
	var flags uint32
	if interactive {
		flags = polkitInteract
	}
	var answer struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
	err := conn.Object(polkitName, polkitPath).CallWithContext(ctx, polkitAsk, 0, subject, action, map[string]string{}, flags, "").Store(&answer)
	switch {
	case ctx.Err() != nil:
		return status.Errorf(status.AccessDenied, "%s was not allowed before the service stopped; call again when it runs", action)
	case err != nil:
		return status.Errorf(status.AccessDenied, "only root may do this, because polkit can't be asked about %s (%v); call as root, or install polkitd", action, err)
	case answer.Authorized:
		return nil
	case answer.Challenge && !interactive:
		return status.Errorf(status.AccessDenied, "%s needs the word of an administrator, and the call did not allow to ask for it; call as root, or allow interactive authorization", action)
	case answer.Challenge:
		return status.Errorf(status.AccessDenied, "%s needs the word of an administrator, and there is nobody to ask: your session has no polkit agent; call as root", action)
	case answer.Details["polkit.dismissed"] != "":
		return status.Errorf(status.AccessDenied, "%s was not allowed: the question was dismissed", action)
	}
	return status.Errorf(status.AccessDenied, "polkit does not allow %s for you; call as root, or have a rule in /etc/polkit-1/rules.d allow it", action)
}
