//! How long one orchestration takes that nothing else runs beside.

use std::time::{Duration, Instant};

use duroxide::provider_stress_tests::parallel_orchestrations::ProviderStressFactory;
use duroxide::runtime::Runtime;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus};

/// Median and 99th percentile, in milliseconds, of five activities at once, from the start until its end is seen by whoever asks each
/// half millisecond.
pub async fn measure(
    place: &dyn ProviderStressFactory,
    time: Duration,
) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let provider = place.create_provider().await;
    let activities = ActivityRegistry::builder()
        .register("echo", |_: ActivityContext, input: String| async move { Ok(input) })
        .build();
    let orchestrations = OrchestrationRegistry::builder()
        .register("fanout", |ctx: OrchestrationContext, input: String| async move {
            let all: Vec<_> = (0..5).map(|n| ctx.schedule_activity("echo", format!("{input}-{n}"))).collect();
            Ok(ctx.join(all).await.len().to_string())
        })
        .build();
    let runtime = Runtime::start_with_store(provider.clone(), activities, orchestrations).await;
    let client = Client::new(provider);
    let (mut took, begin) = (Vec::new(), Instant::now());
    while begin.elapsed() < time {
        let (name, since) = (format!("one-{}", took.len()), Instant::now());
        client.start_orchestration(&name, "fanout", "x").await?;
        loop {
            match client.get_orchestration_status(&name).await? {
                OrchestrationStatus::Completed { .. } => break,
                OrchestrationStatus::Failed { details, .. } => return Err(details.display_message().into()),
                _ => tokio::time::sleep(Duration::from_micros(500)).await,
            }
        }
        took.push(since.elapsed().as_secs_f64() * 1_000.0);
    }
    runtime.shutdown(None).await;
    took.sort_by(f64::total_cmp);
    let at = |part: f64| took.get(((took.len() as f64 - 1.0) * part) as usize).copied().unwrap_or(f64::NAN);
    Ok(vec![at(0.5), at(0.99)])
}
