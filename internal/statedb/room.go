package statedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Room keeps tables here, and gathers rows that are written with the database's own batches.
type Room interface {
	// Take gives what waits to be written, nil for nothing. It does no I/O.
	Take() *Part
}

// Part is a room's share of one batch.
type Part struct {
	// Write puts it into the batch's transaction. Its failure costs this part alone.
	Write func(context.Context, *sql.Tx) error
	// Failed is told that it was not written, perhaps twice: it may wait for the next batch.
	Failed func()
}

// Attach lets a room write with the batches; Poke says that it has something.
func (db *DB) Attach(r Room) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.rooms = append(db.rooms, r)
}

func takeParts(rooms []Room) (parts []*Part) {
	for _, r := range rooms {
		if p := r.Take(); p != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// writeParts writes each room's part, and what can't be written of one (lost says
// why) takes nothing else with it.
func writeParts(ctx context.Context, tx *sql.Tx, parts []*Part) (lost []error, err error) {
	for _, p := range parts {
		if _, err := tx.ExecContext(ctx, "SAVEPOINT part"); err != nil {
			return nil, err
		}
		err := p.Write(ctx, tx)
		if err == nil {
			if _, err := tx.ExecContext(ctx, "RELEASE part"); err != nil {
				return nil, err
			}
			continue
		}
		if _, e := tx.ExecContext(ctx, "ROLLBACK TO part"); e != nil {
			return nil, errors.Join(err, e) // the whole transaction is lost, as with a full disk
		}
		p.Failed()
		lost = append(lost, fmt.Errorf("write a part of the state database: %w", err))
	}
	return lost, nil
}
