package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ipfskit.org/intelligent/internal/backend/types"
	"ipfskit.org/intelligent/internal/catalog"
	"ipfskit.org/intelligent/internal/home"
	"ipfskit.org/intelligent/internal/human"
	"ipfskit.org/intelligent/internal/redact"
	"ipfskit.org/intelligent/internal/status"
)

// secret is one thing that a type of backend can't do without.
type secret struct {
	// keys are its spellings in a configuration, envs the variables that upstream's programs and libraries read.
	keys, envs []string
}

var (
	s3Secrets = []secret{
		{[]string{"access_key_id", "access_key", "accessKey", "aws_access_key_id"}, []string{"AWS_ACCESS_KEY_ID"}},
		{[]string{"secret_access_key", "secret_key", "secretKey", "aws_secret_access_key"}, []string{"AWS_SECRET_ACCESS_KEY"}},
	}
	// secrets of the types; a type that also works without any is not in it.
	secrets = map[string][]secret{
		"s3": s3Secrets, "minio": s3Secrets, "digitalocean": s3Secrets,
		"github":      {{[]string{"token"}, []string{"GITHUB_TOKEN"}}},
		"huggingface": {{[]string{"token"}, []string{"HUGGINGFACE_TOKEN", "HF_TOKEN"}}},
		"storacha":    {{[]string{"api_key", "token"}, []string{"STORACHA_API_KEY"}}},
		"gdrive":      {{[]string{"credentials_file", "credentials_path", "client_secret"}, []string{"GOOGLE_CLIENT_SECRET"}}},
		"lotus":       {{[]string{"token", "lotus_token"}, nil}},
		"filecoin":    {{[]string{"token", "lotus_token"}, nil}},
		"sshfs":       {{[]string{"password", "private_key_path", "private_key_data", "key_path"}, nil}},
	}
)

// needs lists what a backend can't do without; Kubo wants a password where a name is set.
// Of a type that can't be synced yet nobody asks for credentials.
func (v *visit) needs(c *home.Config) []secret {
	if !v.Serves(c.Type) {
		return nil
	}
	if c.Type == "ipfs" && c.String("username") != "" {
		return []secret{{[]string{"password"}, nil}}
	}
	return secrets[c.Type]
}

// credentials looks for those that are missing, or are set where the service does not see them.
func (v *visit) credentials(ctx context.Context) {
	var unit map[string]string
	v.each(func(b *catalog.Backend) {
		c := b.Config
		if c == nil || c.Err != nil {
			return
		}
		if v.Serves(c.Type) {
			v.exposed(ctx, c)
			v.references(ctx, b)
			v.variables(b)
		}
		for _, s := range v.needs(c) {
			value := c.String(s.keys...)
			if _, ours := types.Credential(value); ours || value != "" && !strings.HasPrefix(value, "secretref:") {
				continue
			}
			if unit == nil {
				unit = v.unitEnvironment(ctx)
			}
			v.credential(c, s, unit)
		}
	})
}

// exposed finds a file with secrets that other users of this machine can read.
func (v *visit) exposed(ctx context.Context, c *home.Config) {
	for key, value := range c.Settings.All() {
		text, _ := value.(string) //nolint:errcheck // another type of value is no variable
		if _, named := types.Variable(text); named || !redact.Holds(key, value) {
			continue
		}
		file := filepath.Join(v.Paths.Home, c.File)
		open, err := bounded(ctx, v.Clock, v.Probe, "look who may read "+file, func() (bool, error) { return othersRead(file) })
		if err == nil && open {
			v.add("credentials-readable", status.SeverityWarning, c.Name+"/"+c.File, fmt.Sprintf("the secrets of backend %s can be read by other users", c.Name),
				"the mode of "+file+" allows it", "chmod go= "+human.Shell(file)+"; where others had reason to look, get new ones")
		}
		return
	}
}

// othersRead says that everybody on this machine may read a file: by its mode, and through all folders above.
func othersRead(file string) (bool, error) {
	fi, err := os.Stat(file)
	if err != nil || fi.Mode().Perm()&0o004 == 0 {
		return false, err
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if fi, err = os.Stat(dir); err != nil || fi.Mode().Perm()&0o001 == 0 {
			return false, err
		}
		if dir == filepath.Dir(dir) {
			return true, nil
		}
	}
}

// variables finds secrets that a configuration takes from a variable, as programs in a shell may: the service fills none in.
func (v *visit) variables(b *catalog.Backend) {
	mend := "write the value itself into " + filepath.Join(v.Paths.Home, b.Config.File) + " (mode 0600), or have the unit load it: secretref:systemd:NAME there, and LoadCredential=NAME:/path/of/its/file in a drop-in"
	names := types.Variables(types.Spec{String: b.Config.String})
	for _, key := range slices.Sorted(maps.Keys(names)) {
		name := names[key]
		if v.Getenv(name) != "" {
			v.add("credentials-not-in-unit", status.SeverityError, b.Name, fmt.Sprintf("backend %s: %s names the variable %s, which is set in this shell, and the service does not see it", b.Name, key, name),
				"a service has the environment of its manager, not that of a shell, and variables in configurations are not filled in", mend)
			continue
		}
		v.add("credentials-missing", status.SeverityError, b.Name, fmt.Sprintf("backend %s: %s names the variable %s, and nothing fills it in", b.Name, key, name),
			"variables in configurations are not filled in", mend)
	}
}

// references looks whether the unit has the credentials that a configuration names.
func (v *visit) references(ctx context.Context, b *catalog.Backend) {
	names := types.Credentials(types.Spec{String: b.Config.String})
	for _, key := range slices.Sorted(maps.Keys(names)) {
		name := names[key]
		if v.hasCredential(name) {
			continue
		}
		what := fmt.Sprintf("backend %s: %s names the credential %s, and the service does not have it", b.Name, key, name)
		load := fmt.Sprintf("systemctl --user edit %s, with [Service] and LoadCredential=%s:/path/of/its/file; then systemctl --user restart %s", unitName, name, unitName)
		if v.System {
			load = "as root: " + strings.ReplaceAll(load, " --user", "")
		}
		switch {
		case v.unit == nil:
			v.add("credentials-not-in-unit", status.SeverityError, b.Name, what, "only a unit of systemd's is given credentials",
				"write the secret itself into "+filepath.Join(v.Paths.Home, b.Config.File)+" (mode 0600)")
		case !v.unitCredentials(ctx)[name]:
			v.add("credentials-not-in-unit", status.SeverityError, b.Name, what, "its unit loads no credential of that name", load)
		case v.unit.pid != "" && v.seesCredentials():
			v.add("credentials-not-in-unit", status.SeverityError, b.Name, what, "its unit loads it, and did not when it was started",
				"ipfs-kit-intelligent restart")
		}
	}
}

// credentialsFolder has those of the service, while it runs.
func (v *visit) credentialsFolder() string {
	run := v.Getenv("XDG_RUNTIME_DIR")
	if v.System {
		run = "/run"
	}
	return filepath.Join(run, "credentials", unitName)
}

func (v *visit) hasCredential(name string) bool {
	_, err := os.Stat(filepath.Join(v.credentialsFolder(), name))
	return err == nil
}

// seesCredentials says that this user may look at them: those of the system's service are root's to see.
func (v *visit) seesCredentials() bool {
	_, err := os.ReadDir(v.credentialsFolder())
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// credential is one that the configuration does not have.
func (v *visit) credential(c *home.Config, s secret, unit map[string]string) {
	file := filepath.Join(v.Paths.Home, c.File)
	mend := fmt.Sprintf("write it into %s as %s: … (mode 0600)", file, s.keys[0])
	inShell := ""
	for _, name := range s.envs {
		if unit[name] != "" {
			return
		}
		if v.Getenv(name) != "" {
			inShell = name
		}
	}
	switch {
	case inShell != "":
		v.add("credentials-not-in-unit", status.SeverityError, c.Name+"/"+s.keys[0], fmt.Sprintf("backend %s: %s is set in this shell, and the service does not see it", c.Name, inShell),
			"a service has the environment of its manager, not that of a shell",
			mend+"; or until the next login: systemctl --user import-environment "+inShell+", then systemctl --user restart "+unitName)
	case c.String(s.keys...) != "":
		v.add("credentials-missing", status.SeverityError, c.Name+"/"+s.keys[0], fmt.Sprintf("backend %s: %s is a reference to a secret that this program can't look up", c.Name, s.keys[0]),
			"secretref: is for the Python programs' own store", mend)
	default:
		v.add("credentials-missing", status.SeverityError, c.Name+"/"+s.keys[0], fmt.Sprintf("backend %s has no %s", c.Name, s.keys[0]),
			"its configuration has none of: "+strings.Join(s.keys, ", "), mend)
	}
}
