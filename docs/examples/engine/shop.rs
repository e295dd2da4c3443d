//! The orchestrations of a shop: an order reserves its goods all at once, leaves a moment for changes of mind, is paid by an
//! orchestration of its own, is packed, waits for the word of the warehouse, and is shipped.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use duroxide::runtime::registry::ActivityRegistry;
use duroxide::runtime::{Runtime, RuntimeOptions};
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus};
use execstore::duroxide::ExecstoreProvider;

const GOODS: [&str; 3] = ["pears", "plums", "quinces"];

/// What the activities do to the world: each is a line in a file, written before the activity reports its end.
struct World(File);

impl World {
    fn note(&self, what: &str, about: &str) -> Result<String, String> {
        let line = format!("{what} {about}\n");
        (&self.0).write_all(line.as_bytes()).map_err(|error| error.to_string())?;
        Ok(format!("{what} {about}: done"))
    }
}

fn activities(world: Arc<World>, client: Client) -> ActivityRegistry {
    let mut registry = ActivityRegistry::builder();
    for what in ["reserve", "charge", "ship"] {
        let world = world.clone();
        registry = registry.register(what, move |_: ActivityContext, about: String| {
            let world = world.clone();
            async move { world.note(what, &about) }
        });
    }
    let client = Arc::new(client);
    let pack = move |_: ActivityContext, order: String| {
        let (world, client) = (world.clone(), client.clone());
        async move {
            let done = world.note("pack", &order)?;
            // The warehouse says so to whoever waits for it.
            client.raise_event(order, "packed", "2 parcels").await.map_err(|error| error.to_string())?;
            Ok(done)
        }
    };
    registry.register("pack", pack).build()
}

async fn order(ctx: OrchestrationContext, order: String) -> Result<String, String> {
    let reserved =
        GOODS.map(|goods| ctx.schedule_activity("reserve", format!("{order} {goods}"))).into_iter().collect();
    for reserved in ctx.join(reserved).await {
        reserved?;
    }
    ctx.schedule_timer(Duration::from_millis(20)).await;
    ctx.schedule_sub_orchestration("payment", order.clone()).await?;
    // Waiting begins before the warehouse can say anything.
    let packed = ctx.schedule_wait("packed");
    ctx.schedule_activity("pack", order.clone()).await?;
    let parcels = packed.await;
    ctx.schedule_activity("ship", format!("{order} in {parcels}")).await
}

async fn payment(ctx: OrchestrationContext, order: String) -> Result<String, String> {
    ctx.schedule_activity("charge", order).await
}

/// Opens the shop, takes the orders that it does not have yet, and closes it once all so far have ended. Killed at any moment and opened
/// again it goes on where it was.
pub async fn open(store: &Path, world: &Path, orders: u64) -> Result<ExecstoreProvider, Box<dyn Error>> {
    let provider = ExecstoreProvider::open(store)?;
    let world = World(OpenOptions::new().create(true).append(true).open(world)?);
    let shared = Arc::new(provider.clone());
    let activities = activities(Arc::new(world), Client::new(shared.clone()));
    let orchestrations =
        OrchestrationRegistry::builder().register("order", order).register("payment", payment).build();
    // Somebody who is killed again and again is no poison.
    let options = RuntimeOptions { max_attempts: 1_000, ..RuntimeOptions::default() };
    let runtime = Runtime::start_with_options(shared.clone(), activities, orchestrations, options).await;

    let client = Client::new(shared);
    for n in 0..orders {
        let name = format!("order-{n}");
        // One that was asked for and has not begun is asked for twice, which does nothing.
        if provider.store().get(format!("{name}/1"))?.is_none() {
            client.start_orchestration(&name, "order", name.as_str()).await?;
        }
    }
    for n in 0..orders {
        let ended = client.wait_for_orchestration(&format!("order-{n}"), Duration::from_secs(60)).await?;
        if let OrchestrationStatus::Failed { details, .. } = ended {
            return Err(format!("order-{n} failed: {}", details.display_message()).into());
        }
    }
    runtime.shutdown(None).await;
    Ok(provider)
}
