//! A durable engine on a store: orchestrations that survive whatever becomes of their process.
//!
//! `cargo run --release --features duroxide --example engine -- FOLDER [ORDERS]`. Kill it whenever you like and start it again: each
//! order ends once, and what its activities reported is in its history once. `execstore` here knows nothing of orchestrations: what
//! is printed at the end is asked for as of any executions.

mod shop;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use execstore::{Query, Readable};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: engine FOLDER [ORDERS]");
        std::process::exit(2);
    };
    let orders: u64 = match arguments.next() {
        Some(orders) => orders.to_string_lossy().parse()?,
        None => 100,
    };
    std::fs::create_dir_all(&folder)?;
    let (store, world) = (folder.join("shop.redb"), folder.join("world.txt"));
    let begin = Instant::now();
    let provider = shop::open(&store, &world, orders).await?;
    println!("{orders} orders had ended after {:.2} s", begin.elapsed().as_secs_f64());

    let reader = provider.store().begin_read()?;
    for (state, many) in reader.counts()? {
        println!("{state:<16} {many} executions");
    }
    let last = Query::new().name("order").newest_first().limit(1);
    for execution in reader.query(&last).page()?.executions {
        println!("\n{}, its payload {}", execution.id, execution.payload_json().as_str());
        for event in reader.events(&execution.id, ..)? {
            let event = event?;
            println!("  {:>2} {}", event.seq, event.topic);
        }
        for child in reader.lineage(&execution.id).children()? {
            println!("  its child {}", child?.id);
        }
    }
    Ok(())
}
