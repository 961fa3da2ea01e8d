package status

// Documents of commands that need no service, or that say only what they did.

type versionDoc struct {
	// Version of the program that was called; that of the service is in status.
	Version string `json:"version"`
}

// VersionDocument is what `version --json` prints.
func VersionDocument(version string) ([]byte, error) {
	return compact("version", versionDoc{version})
}

type dismissDoc struct {
	// How many actions were given up; 0 where the backend was clean.
	Dismissed uint64 `json:"dismissed"`
}

// DismissDocument is what `dismiss --json` prints.
func DismissDocument(actions uint64) ([]byte, error) {
	return compact("dismiss", dismissDoc{actions})
}

type configCheckDoc struct {
	// True: a wrong configuration is an error, with the exit status 78.
	Valid bool `json:"valid"`
	// What has no effect, with file and line; empty for nothing.
	Warnings []string `json:"warnings"`
}

// ConfigCheckDocument is what `config check --json` prints of a configuration that is right.
func ConfigCheckDocument(warnings []string) ([]byte, error) {
	return compact("config check", configCheckDoc{true, append([]string{}, warnings...)})
}

// Setting is one key of the configuration that counts.
type Setting struct {
	// Its value: a number, true or false, a list of texts, or a text; times are texts such as 90s and 168h.
	Value any `json:"value"`
	// File and line that say so, or default.
	From string `json:"from"`
}

// ConfigShowDocument is what `config show --json` prints: the settings by their full names.
func ConfigShowDocument(settings map[string]Setting) ([]byte, error) {
	return compact("config show", settings)
}

type dropInDoc struct {
	// The drop-in for the unit; absent with --install.
	DropIn string `json:"drop_in,omitempty"`
	// Where it was put; absent without --install.
	Installed string `json:"installed,omitempty"`
	// What to type now; absent without --install.
	Next string `json:"next,omitempty"`
}

// DropInDocument is what `doctor --drop-in --json` prints, with --install where it was put and what to type now.
func DropInDocument(text, installed, next string) ([]byte, error) {
	return compact("drop-in", dropInDoc{text, installed, next})
}
