# What CI does.
ci:
    bash .ci/run

# The tests, as in the README.
test:
    cargo test

# The long campaigns: see docs/development.md.
campaigns:
    EXECSTORE_QUERY_CASES=5000 EXECSTORE_OUTPUT_CASES=5000 EXECSTORE_TAMPER_CASES=500000 EXECSTORE_WATCH_CASES=20000 EXECSTORE_STRESS_SECONDS=60 EXECSTORE_MODEL_CASES=100000 EXECSTORE_CRASH_IMAGES=200000 EXECSTORE_DAMAGE_CASES=100000 EXECSTORE_KILLS=2000 EXECSTORE_IO_ERRORS=100000 \
        cargo test --release --test whole --test durability --test processes --test history --test side_data --test integrity --test feed -- --nocapture model:: crash:: damage:: kill:: io_errors:: query_properties:: outputs:: tamper:: watch_properties:: stress::
    EXECSTORE_UPHEAVALS=2000 cargo test --release --test upheavals -- --nocapture

# Power cuts on real file systems, as root: see docs/development.md.
powercuts:
    cargo build --release -p powercut
    target/release/powercut --cuts 4000

# The tables of docs/benchmarks.md.
scoreboard:
    cargo bench -p scoreboard
