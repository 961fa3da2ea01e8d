package pinsync

import (
	"context"
	"fmt"
	"strings"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/home"
)

// maxCIDText is far longer than the text of any CID in use.
const maxCIDText = 1024

// want is one CID to be looked at, under every text that marks and mapping have for it.
type want struct {
	cid cid.Cid
	// texts of the mark, to be cleared.
	marks []string
	// texts of the mapping's rows, to be updated; without one a row is added.
	rows []string
	// text is the first that was met.
	text string
}

func (w *want) rowTexts() []string {
	if len(w.rows) > 0 {
		return w.rows
	}
	return []string{w.text}
}

// wants collects CIDs, each once, in the order in which they were met.
type wants struct {
	list  []*want
	byCID map[string]*want
}

func newWants() *wants { return &wants{byCID: map[string]*want{}} }

// parseCID takes only what is a CID; marks may hold anything.
func parseCID(text string) (cid.Cid, error) {
	if len(text) > maxCIDText {
		return cid.Undef, &backend.Error{Class: backend.ClassContent, Op: fmt.Sprintf("read the CID %.40q...", text), Err: fmt.Errorf("it has %d characters", len(text))}
	}
	c, err := cid.Decode(text)
	if err != nil || !c.Defined() || strings.ContainsAny(text, "/\\") {
		return cid.Undef, &backend.Error{
			Class: backend.ClassContent, Op: fmt.Sprintf("read the CID %q", text), Err: fmt.Errorf("it is no CID: %w", errOr(err, cid.ErrInvalidCid{})),
			Hint: "mend or dismiss the action that names it",
		}
	}
	return c, nil
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func (ws *wants) add(text string) (*want, error) {
	c, err := parseCID(text)
	if err != nil {
		return nil, err
	}
	w, ok := ws.byCID[c.KeyString()]
	if !ok {
		w = &want{cid: c, text: text}
		ws.byCID[c.KeyString()] = w
		ws.list = append(ws.list, w)
	}
	return w, nil
}

// has tells whether a CID is wanted.
func (ws *wants) has(c cid.Cid) bool { _, ok := ws.byCID[c.KeyString()]; return ok }

// gather collects what a delta looks at: the mark's CIDs, and the mapping's open
// rows except those whose removal is asked for.
func (p *pass) gather(ctx context.Context) (*wants, error) {
	ws := newWants()
	if p.job.Dirty != nil {
		for _, text := range p.job.Dirty.CIDs {
			w, err := ws.add(text)
			if err != nil {
				p.out.Failed.add(Entry{CID: text, Reason: err.Error(), Class: backend.ClassContent})
				continue
			}
			w.marks = append(w.marks, text)
		}
	}
	open, err := p.job.Pins.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the mapping of %s: %w", p.job.Backend, err)
	}
	for _, row := range open {
		p.addRow(ws, row)
	}
	return ws, nil
}

func (p *pass) addRow(ws *wants, row home.Pin) *want {
	c, err := parseCID(row.CID)
	if err != nil {
		p.out.Invalid.add(Entry{CID: row.CID, Reason: err.Error(), Class: backend.ClassContent})
		return nil
	}
	if p.removes[c.KeyString()] && !ws.has(c) {
		return nil
	}
	w, err := ws.add(row.CID)
	if err != nil {
		return nil
	}
	w.rows = append(w.rows, row.CID)
	return w
}
