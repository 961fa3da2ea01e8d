package types

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ipfskit.org/intelligent/internal/backend"
	"ipfskit.org/intelligent/internal/backend/ipfs"
	"ipfskit.org/intelligent/internal/redact"
)

// A configuration may name a secret instead of holding it, as upstream's does:
// secretref:PROVIDER:ID. Ours is the service manager: it gives a unit credentials
// (systemd.exec(5), LoadCredential=), each a file in a folder that no other service sees.
const (
	refPrefix  = "secretref:"
	credPrefix = refPrefix + "systemd:"
)

// errNoCredential says that the service has no credential of that name.
var errNoCredential = errors.New("the service was given no credential of that name")

// Credential is the name of the service's credential that a value refers to; false where it refers to none.
func Credential(value string) (name string, ok bool) { return strings.CutPrefix(value, credPrefix) }

// Credentials lists the service's credentials that a configuration refers to, by its keys.
func Credentials(s Spec) map[string]string { return s.secrets(Credential) }

// Variables lists the variables that stand in a configuration instead of secrets, by its keys. They are not filled in.
func Variables(s Spec) map[string]string { return s.secrets(Variable) }

// Variable is the name of the variable that a value stands for; false where it stands for itself.
func Variable(value string) (name string, ok bool) { return ipfs.Variable(value) }

// secrets are the keys of secrets whose values say something else.
func (s Spec) secrets(says func(value string) (string, bool)) map[string]string {
	out := map[string]string{}
	for _, key := range []string{"token", "auth_token", "password"} {
		if name, ok := says(s.String(key)); ok {
			out[key] = name
		}
	}
	return out
}

// secret is the value of a key, looked up where it only names one. Folder has the credentials.
func (s Spec) secret(folder string, keys ...string) (string, error) {
	value := s.String(keys...)
	if !strings.HasPrefix(value, refPrefix) {
		return value, nil
	}
	refuse := func(err error, hint string) error {
		return &backend.Error{Class: backend.ClassConfiguration, Op: "open backend " + s.Name, Hint: hint,
			Err: fmt.Errorf("%s names the secret %q; %w", keys[0], strings.TrimPrefix(value, refPrefix), err)}
	}
	name, ok := Credential(value)
	if !ok {
		return "", refuse(errors.New("only the Python programs can look it up"), "write the secret itself, or "+credPrefix+"NAME for a credential of the unit")
	}
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return "", refuse(errors.New("that is no name of a credential"), "a name is one word, as in LoadCredential=NAME:/path")
	}
	hint := fmt.Sprintf("have the unit load it, by [Service] and LoadCredential=%s:/path/of/its/file in a drop-in, and start it again", name)
	if folder == "" {
		return "", refuse(errNoCredential, hint)
	}
	data, err := os.ReadFile(filepath.Join(folder, name))
	if errors.Is(err, fs.ErrNotExist) {
		err = errNoCredential
	}
	if err != nil {
		return "", refuse(err, hint)
	}
	value = strings.TrimRight(string(data), "\r\n") // files of secrets end with one
	redact.Secret(value)
	return value, nil
}
