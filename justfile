# Names for the commands of README.md.

# Starts the quick start on this machine.
up:
    cargo run --release -p voipctl -- up examples/quickstart.yaml

lint:
    cargo xtask lint

test *filters:
    cargo xtask test {{filters}}

# Writes the generated files.
codegen:
    cargo xtask codegen

# What CI runs.
ci:
    .ci/run
