//! The Lambda's process: settings, clients, connections, and then one event after the other.
//!
//! A process starts because somebody calls, and anybody who finds the URL can. So what it does before it knows who that is
//! has to be harmless a thousand times over: a flood that makes Lambda start a thousand processes must not become a
//! thousand readings of the accelerator, whose API refuses those who ask too often, the fence among them. It reads two
//! secrets, of which Secrets Manager serves ten thousand a second, and opens the connections that a fence would wait for,
//! over which it sends nothing. The first event waits for that for a moment at most. What is not ready then goes on beside
//! the event, which waits for what it needs of it, and is given up with the answer: a process is frozen then, and would
//! leave half a handshake behind.

use std::convert::Infallible;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use fencing::settings::Settings;
use function::event::Incoming;
use function::handler::{Handler, Invocation};
use function::logging;
use function::world::Cloud;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use jiff::Timestamp;
use lambda_runtime::{Context, Diagnostic, LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use tokio::sync::Notify;

/// The longest that preparing may hold up the first event.
const PREPARE_LIMIT: Duration = Duration::from_millis(150);

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
    let handler = &handler;
    let mut preparing = handler.prepare().boxed_local().fuse();
    // What is missing after that is not lost: it goes on below.
    let _ = tokio::time::timeout(PREPARE_LIMIT, &mut preparing).await;
    let answered = Notify::new();
    let answers = &answered;
    let serve = service_fn(async move |event: LambdaEvent<Value>| {
        let invocation = invocation(&event.context);
        let event = Incoming::read(event.payload).map_err(|error| {
            tracing::error!(request_id = invocation.request_id, "{error}");
            // What the caller is shown; without it, the runtime would add the name of our type.
            Diagnostic {
                error_type: "Misunderstood".to_owned(),
                error_message: error.to_string(),
            }
        })?;
        let reply = handler.handle(event, &invocation).await;
        answers.notify_one();
        Ok::<Value, Diagnostic>(reply.into_json())
    });
    let rest = async move {
        select(preparing, pin!(answers.notified())).await;
        std::future::pending::<Infallible>().await
    };
    let serving = Runtime::new(serve).run().boxed_local();
    match select(serving, pin!(rest)).await {
        Either::Left((ended, _)) => ended,
        Either::Right((never, _)) => match never {},
    }
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
