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

	"ipfskit.org/intelligent/internal/home"
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

// Stale tells whether a backend's rows were read from another state of its mapping.
func (x *Index) Stale(ctx context.Context, backend, stamp string) (bool, error) {
	rows, err := x.db.Query(ctx, "SELECT stamp FROM pin_backends WHERE name = ?", backend)
	if err != nil {
		return false, fmt.Errorf("look up %s in the pin index: %w", backend, err)
	}
	known := ""
	if rows.Next() {
		err = rows.Scan(&known)
	}
	return known != stamp, errors.Join(err, rows.Close())
}

// Update replaces the rows of one backend, in one transaction.
func (x *Index) Update(ctx context.Context, backend, stamp string, pins []home.Pin) error {
	err := x.db.Tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO pin_backends(name, stamp) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET stamp = excluded.stamp", backend, stamp); err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRowContext(ctx, "SELECT id FROM pin_backends WHERE name = ?", backend).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM pins WHERE backend = ?", id); err != nil {
			return err
		}
		insert, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO pins(cid, backend, status) VALUES(?, ?, ?)")
		if err != nil {
			return err
		}
		for _, p := range pins {
			if _, err := insert.ExecContext(ctx, key(p.CID), id, p.Status); err != nil {
				return errors.Join(err, insert.Close())
			}
		}
		return insert.Close()
	})
	if err != nil {
		return fmt.Errorf("update the pin index of %s: %w", backend, err)
	}
	return nil
}

// Drop forgets a backend.
func (x *Index) Drop(ctx context.Context, backend string) error {
	return x.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM pins WHERE backend IN (SELECT id FROM pin_backends WHERE name = ?)", backend)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM pin_backends WHERE name = ?", backend)
		}
		return err
	})
}

// Holder is a backend that lists a CID.
type Holder struct{ Backend, Status string }

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
	rows, err := x.db.Query(ctx, "SELECT n, count(*) FROM (SELECT count(*) AS n FROM pins GROUP BY cid) GROUP BY n")
	if err != nil {
		return nil, fmt.Errorf("count redundancy in the pin index: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	levels = map[int]int{}
	for rows.Next() {
		var n, cids int
		if err := rows.Scan(&n, &cids); err != nil {
			return nil, err
		}
		levels[n] = cids
	}
	return levels, rows.Err()
}
