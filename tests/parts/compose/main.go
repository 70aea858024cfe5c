// Reads a Compose file as Docker Compose does: holds it against the schema of the Compose specification, puts in
// variables and defaults, and prints the project as JSON. It exits with 1, naming what is wrong, where it is not valid.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func run(files []string) error {
	// Every profile, so that nothing in the file escapes the check.
	options, err := cli.NewProjectOptions(files, cli.WithName("llm-sre"), cli.WithProfiles([]string{"*"}), cli.WithOsEnv)
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(project)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
