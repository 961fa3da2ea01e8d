package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/plan"
	"ipfskit.org/intelligent/internal/status"
)

// backupState is what is known of one kind of backup on one backend.
type backupState struct {
	// State is the hash of what was backed up last.
	State string    `json:"state"`
	Last  time.Time `json:"last"`
}

// targetMemory is which backends get backups, and what there is to back up.
type targetMemory struct {
	names map[string]bool
	// hash by kind of task; empty: there is nothing to back up.
	hash   map[string]string
	looked time.Time
}

// sets by kind of task.
var sets = map[string]string{status.KindBackupBuckets: home.SetBuckets, status.KindBackupMetadata: home.SetMetadata}

// backupLook is how often the files of a backup are looked at for changes.
const backupLook = 5 * time.Minute

// chooseTargets picks the backends that get backups: those that say backup: true;
// with none, the first healthy filesystem backends by priority, then name. more
// tells that one was not one before. The caller holds mu.
func (s *Service) chooseTargets() (more bool) {
	cfg := s.config().Backup
	var said, may []*entry
	for _, e := range s.entries {
		if e.cat == nil || !e.cat.Counted() || e.misconfigured != "" || !isFilesystem(e.cat.Type()) {
			continue
		}
		c := e.cat.Config
		switch {
		case c != nil && c.Backup != nil && *c.Backup:
			said = append(said, e)
		case c != nil && c.Backup != nil:
		case e.health.State() == status.HealthHealthy:
			may = append(may, e)
		}
	}
	chosen := said
	if len(chosen) == 0 {
		slices.SortFunc(may, byPreference)
		chosen = may[:min(len(may), cfg.Targets)]
	}
	names := map[string]bool{}
	if cfg.Enabled {
		for _, e := range chosen {
			names[e.name] = true
		}
	}
	old := s.targets.names
	s.targets.names = names
	for n := range names {
		if e := s.entries[n]; e != nil && !old[n] {
			more = true
			s.look(e)
		}
	}
	for n := range old {
		if e := s.entries[n]; e != nil && !names[n] {
			s.look(e)
		}
	}
	return more
}

// byPreference orders those that may get backups.
func byPreference(a, b *entry) int {
	return cmp.Or(cmp.Compare(priorityOf(a), priorityOf(b)), cmp.Compare(a.name, b.name))
}

// preferred tells whether a backend that works would be chosen where it is not: too few are, or one that comes after it. The caller holds mu.
func (s *Service) preferred(e *entry) bool {
	if len(s.targets.names) < s.config().Backup.Targets {
		return true
	}
	for n := range s.targets.names {
		t := s.entries[n]
		if t != nil && t.cat != nil && (t.cat.Config == nil || t.cat.Config.Backup == nil) && byPreference(e, t) < 0 {
			return true
		}
	}
	return false
}

// priorityOf is what its configuration says: lower goes first, among targets of backups and among tasks of one priority.
func priorityOf(e *entry) int {
	if e.cat != nil && e.cat.Config != nil {
		return e.cat.Config.Priority
	}
	return 100
}

// backupView is what the planner sees of backups. The caller holds mu.
func (s *Service) backupView(e *entry) map[string]plan.Backup {
	if !s.targets.names[e.name] {
		return nil
	}
	out := map[string]plan.Backup{}
	for kind := range sets {
		hash := s.targets.hash[kind]
		b := plan.Backup{Changed: hash != "" && hash != e.backups[kind].State, Last: e.backups[kind].Last}
		if b.Last.IsZero() {
			b.First = s.firstBackup(kind)
		}
		out[kind] = b
	}
	return out
}

// firstBackup is when the first backup is due: of metadata half an hour after the
// start; of buckets when the registry's last_backup is old enough.
func (s *Service) firstBackup(kind string) time.Time {
	if kind == status.KindBackupMetadata {
		return s.started.Add(s.rules.BackupMetadata)
	}
	list := s.cat.Buckets().List
	if len(list) == 0 {
		return time.Time{}
	}
	oldest := list[0].LastBackup
	for _, b := range list {
		if b.LastBackup == 0 {
			return time.Time{}
		}
		oldest = min(oldest, b.LastBackup)
	}
	return oldest.Time().Add(s.rules.BackupBuckets)
}

// lookAtBackups finds out whether there is something new to back up.
func (s *Service) lookAtBackups(ctx context.Context, p *Pulse, force bool) {
	s.mu.Lock()
	h := s.home
	now := s.clk.Now()
	due := h != nil && len(s.targets.names) > 0 && (force || now.Sub(s.targets.looked) >= backupLook)
	if due {
		s.targets.looked = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	hashes := map[string]string{}
	for kind, set := range sets {
		p.Beat()
		files, err := h.BackupSet(ctx, set)
		if err != nil {
			if ctx.Err() == nil {
				s.log.WithError(err).Warn("the files of a backup could not be listed")
			}
			return
		}
		hashes[kind] = hashFiles(files)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets.hash = hashes
	for n := range s.targets.names {
		if e := s.entries[n]; e != nil {
			s.look(e)
		}
	}
}

// hashFiles differs whenever a file differs; empty when there are none.
func hashFiles(files []home.BackupFile) string {
	if len(files) == 0 {
		return ""
	}
	d := sha256.New()
	for _, f := range files {
		fmt.Fprintf(d, "%s\x00%d\x00%d\n", f.Name, f.Size, f.Modified.UnixNano())
	}
	return hex.EncodeToString(d.Sum(nil))[:32]
}
