#!/usr/bin/env bash
# duroxide 0.1.32 (crate, feature `sqlite`), 28 November 2026.
#
# Its SQLite provider asks each connection for `PRAGMA synchronous = WAL`. SQLite has no such setting (0 OFF, 1 NORMAL, 2 FULL, 3 EXTRA), and takes
# a word that it does not know for NORMAL without a complaint. In WAL mode NORMAL does not wait for the disk at a commit, so what the provider
# has acknowledged may be gone after a power cut; the database is not damaged.
#
# Seen: "synchronous 1, journal wal".
#
# For execstore: the benchmark has the provider as it comes, and with FULL beside it; ours waits for the disk.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
duroxide = { version = "=0.1.32", features = ["sqlite"] }
sqlx = { version = "=0.8.6", default-features = false, features = ["sqlite"] }
tokio = { version = "1", features = ["rt", "macros"] }
TOML
cat > src/main.rs <<'RUST'
use duroxide::providers::sqlite::SqliteProvider;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let provider = SqliteProvider::new("sqlite:store.db?mode=rwc", None).await.expect("it opens");
    let pool = provider.get_pool();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await.expect("an answer");
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.expect("an answer");
    println!("synchronous {synchronous}, journal {journal}");
}
RUST
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = "synchronous 1, journal wal" ]
