// Package pinindex knows which backends list a CID, and how often content is
// kept. It is derived from the pin mappings, lies in the service's database
// instead of in memory, and can be thrown away at any time.
package pinindex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"

	"ipfskit.org/intelligent/internal/statedb"
)

// Index is the index in one database.
type Index struct{ db *statedb.DB }

// New makes an index on a database, whose schema has its tables.
func New(db *statedb.DB) *Index { return &Index{db} }

// key is a CID's bytes, so that its spellings are one; texts that are no CIDs are kept as they are.
func key(text string) []byte {
	c, err := cid.Decode(text)
	if err != nil {
		return append([]byte{0xff}, text...)
	}
	return c.Bytes()
}

// Row is what the index keeps of a row of a mapping.
type Row struct {
	// CID as the mapping writes it.
	CID string
	// Status is stored, pending, failed, or what else upstream wrote.
	Status string
}

// Mapping is a backend's mapping as it was read; Stamp names the state of its file.
type Mapping struct {
	// Backend is its name.
	Backend string
	// Stamp differs whenever the mapping's file differs; empty: there is none.
	Stamp string
	// Rows are all of them.
	Rows []Row
}

// Stamps tells which state of each backend's mapping the index holds.
func (x *Index) Stamps(ctx context.Context) (stamps map[string]string, err error) {
	return pairs[string, string](ctx, x, "read what the pin index holds", "SELECT name, stamp FROM pin_backends")
}

// pairs reads two columns, the first of which is a key.
func pairs[K comparable, V any](ctx context.Context, x *Index, doing, query string) (out map[K]V, err error) {
	rows, err := x.db.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = map[K]V{}
	for rows.Next() {
		var k K
		var v V
		if err := rows.Scan(&k, &v); err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, rows.Err()
}

// Update replaces the rows of some backends, in one transaction.
func (x *Index) Update(ctx context.Context, list []Mapping) error {
	err := x.db.Tx(ctx, func(tx *sql.Tx) error {
		for _, m := range list {
			id, err := idOf(ctx, tx, m.Backend, m.Stamp)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM pins WHERE backend = ?", id); err != nil {
				return err
			}
			if err := insert(ctx, tx, id, m.Rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("update the pin index: %w", err)
	}
	return nil
}

// idOf gives a backend its number, and writes down which state of its mapping is held.
func idOf(ctx context.Context, tx *sql.Tx, backend, stamp string) (id int64, err error) {
	_, err = tx.ExecContext(ctx, "INSERT INTO pin_backends(name, stamp) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET stamp = excluded.stamp", backend, stamp)
	if err != nil {
		return 0, err
	}
	return id, tx.QueryRowContext(ctx, "SELECT id FROM pin_backends WHERE name = ?", backend).Scan(&id)
}

func insert(ctx context.Context, tx *sql.Tx, id int64, rows []Row) (err error) {
	st, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO pins(cid, backend, status) VALUES(?, ?, ?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	for _, r := range rows {
		if _, err := st.ExecContext(ctx, key(r.CID), id, r.Status); err != nil {
			return err
		}
	}
	return nil
}

// Put adds or changes single rows, in one transaction, and says by how much
// the number of CIDs of each redundancy changes. What state of the mapping is
// held is not known any more then: the next Stamps says so with an empty text.
func (x *Index) Put(ctx context.Context, rows map[string][]Row) (levels map[int]int, err error) {
	levels = map[int]int{}
	err = x.db.Tx(ctx, func(tx *sql.Tx) error {
		for backend, list := range rows {
			id, err := idOf(ctx, tx, backend, "")
			if err != nil {
				return err
			}
			for _, r := range list {
				if err := put(ctx, tx, id, r, levels); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("add to the pin index: %w", err)
	}
	return levels, nil
}

// put adds or changes one row, and notes what that changes.
func put(ctx context.Context, tx *sql.Tx, id int64, r Row, levels map[int]int) error {
	var n, here int
	if err := tx.QueryRowContext(ctx, "SELECT count(*), count(CASE WHEN backend = ? THEN 1 END) FROM pins WHERE cid = ?", id, key(r.CID)).Scan(&n, &here); err != nil {
		return err
	}
	if here == 0 {
		if n > 0 {
			levels[n]--
		}
		levels[n+1]++
	}
	return insert(ctx, tx, id, []Row{r})
}

// Keep forgets all backends but the named ones, and says how many went.
func (x *Index) Keep(ctx context.Context, names map[string]bool) (gone int, err error) {
	stamps, err := x.Stamps(ctx)
	if err != nil {
		return 0, err
	}
	for name := range stamps {
		if names[name] {
			continue
		}
		gone++
		if err := x.drop(ctx, name); err != nil {
			return gone, fmt.Errorf("forget %s in the pin index: %w", name, err)
		}
	}
	return gone, nil
}

func (x *Index) drop(ctx context.Context, backend string) error {
	return x.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM pins WHERE backend IN (SELECT id FROM pin_backends WHERE name = ?)", backend)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM pin_backends WHERE name = ?", backend)
		}
		return err
	})
}

// Holder is a backend that lists a CID.
type Holder struct {
	// Backend is its name.
	Backend string
	// Status of its row.
	Status string
}

// Where lists the backends whose mappings list a CID, by name.
func (x *Index) Where(ctx context.Context, text string) (out []Holder, err error) {
	rows, err := x.db.Query(ctx, "SELECT b.name, p.status FROM pins p JOIN pin_backends b ON b.id = p.backend WHERE p.cid = ? ORDER BY b.name", key(text))
	if err != nil {
		return nil, fmt.Errorf("look up a CID in the pin index: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var h Holder
		if err := rows.Scan(&h.Backend, &h.Status); err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// Redundancy counts the CIDs by how many backends list them.
func (x *Index) Redundancy(ctx context.Context) (levels map[int]int, err error) {
	return pairs[int, int](ctx, x, "count redundancy in the pin index", "SELECT n, count(*) FROM (SELECT count(*) AS n FROM pins GROUP BY cid) GROUP BY n")
}
