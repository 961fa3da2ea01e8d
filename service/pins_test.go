package service

import (
	"encoding/json"
	"testing"

	"ipfskit.org/intelligent/internal/clock"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/status"
)

type pinView struct {
	Pins struct {
		Total      int            `json:"total_pins"`
		Unique     int            `json:"total_unique_cids"`
		Redundancy map[string]int `json:"cid_redundancy"`
		Oldest     *string        `json:"oldest_pin_date"`
	} `json:"pin_mapping_analysis"`
}

func (w *world) pins() (v pinView) {
	w.t.Helper()
	doc, err := w.s.InsightsJSON(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(doc, &v); err != nil {
		w.t.Fatal(err)
	}
	return v
}

// mapping writes rows as upstream does, before the service runs.
func (w *world) mapping(name string, cids ...string) {
	w.t.Helper()
	h, err := home.Open(w.home, home.Options{Clock: clock.System})
	if err != nil {
		w.t.Fatal(err)
	}
	var rows []home.PinUpdate
	for _, c := range cids {
		rows = append(rows, home.PinUpdate{CID: c, Status: home.PinStored})
	}
	if err := h.UpdatePins(w.t.Context(), name, rows); err != nil {
		w.t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// As soon as it is ready the service knows what all mappings list, also after a
// restart, and of folders that no configuration names; what a sync writes follows.
func TestRedundancyIsKnownFromTheStartAndFollowsSyncs(t *testing.T) {
	w := newWorld(t)
	w.backend("nas")
	a, b, c := w.car(1), w.car(2), w.car(3)
	w.mapping("nas", a, b)
	w.mapping("orphan", a)
	for range 2 {
		w.start()
		w.until("ready", func() bool { return w.s.Manager().State == status.StateRunning })
		v := w.pins()
		if v.Pins.Total != 3 || v.Pins.Unique != 2 || v.Pins.Redundancy["2"] != 1 || v.Pins.Oldest == nil {
			t.Errorf("%+v", v)
		}
		if m := w.s.Manager(); m.Backends != 1 {
			t.Errorf("a folder that nothing names counts as a backend: %+v", m)
		}
		w.stop()
	}
	w.start()
	w.mark("nas", c)
	w.until("the new pin counted", func() bool { v := w.pins(); return v.Pins.Unique == 3 && v.Pins.Redundancy["1"] == 2 })
	doc, err := w.s.WhereJSON(t.Context(), c)
	var where struct{ Holders []struct{ Backend string } }
	if err != nil || json.Unmarshal(doc, &where) != nil || len(where.Holders) != 1 || where.Holders[0].Backend != "nas" {
		t.Errorf("%s %v", doc, err)
	}
}
