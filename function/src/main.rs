//! The Lambda's process: settings, clients, connections, and then one event after the other.
//!
//! A process starts because somebody calls, and whoever finds the URL may. So before the first event it reads the one
//! thing by which callers are judged, the webhook's secret, and nothing else: a flood that makes Lambda start a thousand
//! processes must not become a thousand readings of the accelerator, whose API refuses those who ask too often, nor as
//! many handshakes with both Infinispans. Connections are opened by the first who has shown credentials, and by the
//! schedule, which comes each minute; so as a rule an alert meets a process that has them.

use std::process::ExitCode;
use std::time::Duration;

use fencing::settings::Settings;
use function::event::Event;
use function::handler::{Handler, Invocation};
use function::logging;
use function::world::Cloud;
use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::Value;

/// The longest that preparing may hold up the first event. What has not been read by then is read when it is needed.
const PREPARE_LIMIT: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    let lookup = |name: &str| std::env::var(name).ok();
    logging::start(lookup);
    let settings = match Settings::from_environment(lookup) {
        Ok(settings) => settings,
        Err(mistakes) => {
            for mistake in mistakes {
                tracing::error!("{mistake}");
            }
            return ExitCode::FAILURE;
        }
    };
    if lookup("AWS_LAMBDA_RUNTIME_API").is_none() {
        tracing::error!(
            "the variable AWS_LAMBDA_RUNTIME_API is not set; this program runs inside AWS Lambda"
        );
        return ExitCode::FAILURE;
    }
    let cloud = match Cloud::new(&settings, &lookup) {
        Ok(cloud) => cloud,
        Err(error) => {
            tracing::error!("{}", function::world::tls::chain(&error));
            return ExitCode::FAILURE;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the process cannot start its runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve(Handler::new(settings, cloud))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "Lambda's runtime interface failed");
            ExitCode::FAILURE
        }
    }
}

async fn serve(handler: Handler<Cloud>) -> Result<(), lambda_runtime::Error> {
    if tokio::time::timeout(PREPARE_LIMIT, handler.prepare())
        .await
        .is_err()
    {
        tracing::warn!(
            "the webhook's secret was not there after {} ms",
            PREPARE_LIMIT.as_millis()
        );
    }
    let handler = &handler;
    let serve = service_fn(async move |event: LambdaEvent<Value>| {
        let invocation = invocation(&event.context);
        let event = Event::read(event.payload).map_err(|error| {
            tracing::error!(request_id = invocation.request_id, "{error}");
            // What the caller is shown; without it, the runtime would add the name of our type.
            Diagnostic {
                error_type: "Misunderstood".to_owned(),
                error_message: error.to_string(),
            }
        })?;
        Ok::<Value, Diagnostic>(handler.handle(event, &invocation).await.into_json())
    });
    Runtime::new(serve).run().await
}

fn invocation(context: &Context) -> Invocation {
    let deadline = i64::try_from(context.deadline)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    Invocation {
        request_id: context.request_id.clone(),
        deadline,
    }
}
