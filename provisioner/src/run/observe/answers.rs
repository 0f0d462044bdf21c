//! Questions that are asked at the same time.

use std::collections::BTreeMap;
use std::future::Future;

use tokio::task::JoinSet;

use crate::topology::Region;
use crate::world::call::CallError;

/// Asks all questions at once and keeps the order of the answers. The first failure ends the others.
pub(super) async fn all<T, F>(questions: impl IntoIterator<Item = F>) -> Result<Vec<T>, CallError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, CallError>> + Send + 'static,
{
    let mut asked = JoinSet::new();
    for (index, question) in questions.into_iter().enumerate() {
        asked.spawn(async move { question.await.map(|answer| (index, answer)) });
    }
    let mut answers = BTreeMap::new();
    while let Some(joined) = asked.join_next().await {
        match joined {
            Ok(answer) => {
                let (index, answer) = answer?;
                answers.insert(index, answer);
            }
            // Nobody cancels these; a panic goes on where it can be seen.
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    Ok(answers.into_values().collect())
}

pub(super) struct Answers<T> {
    pub(super) by_region: BTreeMap<Region, T>,
    /// Those that did not, each with the call that shows it.
    pub(super) unreached: BTreeMap<Region, String>,
}

/// Asks Regions at once, each its own question. One that does not answer is noted.
pub(super) async fn each<T, F>(
    questions: impl IntoIterator<Item = (Region, F)>,
) -> Result<Answers<T>, CallError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, CallError>> + Send + 'static,
{
    let answers = all(questions.into_iter().map(|(region, question)| async move {
        match question.await {
            Err(error) if error.is_outage() => Ok((region, Err(error.to_string()))),
            answer => answer.map(|answer| (region, Ok(answer))),
        }
    }));
    let mut sorted = Answers {
        by_region: BTreeMap::new(),
        unreached: BTreeMap::new(),
    };
    for (region, answer) in answers.await? {
        match answer {
            Ok(answer) => drop(sorted.by_region.insert(region, answer)),
            Err(what) => drop(sorted.unreached.insert(region, what)),
        }
    }
    Ok(sorted)
}

/// Asks one Region after the other, `first` before the rest, until one answers: what any of them knows as well as the
/// others. An answer is also that it must not be asked; if none answers, the first one's silence is reported.
pub(super) async fn first_answer<T>(
    first: &Region,
    all: &[Region],
    ask: impl AsyncFn(&Region) -> Result<T, CallError>,
) -> Result<T, CallError> {
    let silence = match ask(first).await {
        Err(error) if error.is_outage() => error,
        answer => return answer,
    };
    for region in all.iter().filter(|region| *region != first) {
        match ask(region).await {
            Err(error) if error.is_outage() => {}
            answer => return answer,
        }
    }
    Err(silence)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::world::call::AwsCall;

    #[tokio::test]
    async fn a_replica_that_is_silent_leaves_the_question_to_the_next() {
        let regions = ["eu-west-1", "eu-central-1", "eu-west-3"].map(|name| Region::new(name).unwrap());
        let answer = async |answers: [&'static str; 3]| {
            let ask = async |region: &Region| {
                let asked = AwsCall::new("DynamoDB", "GetItem", region.as_str());
                let index = regions.iter().position(|it| it == region).unwrap();
                match answers[index] {
                    "silent" => Err(CallError::Unanswered {
                        call: asked,
                        source: "connection refused".into(),
                    }),
                    "no" => Err(CallError::Refused {
                        call: asked,
                        code: "AccessDeniedException".to_owned(),
                        message: "no".to_owned(),
                    }),
                    answer => Ok(answer),
                }
            };
            let answer = first_answer(&regions[0], &regions, ask).await;
            answer.map_err(|error| error.region().to_owned())
        };
        for (answers, expected) in [
            (["yes", "no", "no"], Ok("yes")),
            (["silent", "yes", "no"], Ok("yes")),
            (["silent", "silent", "yes"], Ok("yes")),
            (["silent", "no", "yes"], Err("eu-central-1")),
            (["no", "yes", "yes"], Err("eu-west-1")),
            (["silent", "silent", "silent"], Err("eu-west-1")),
        ] {
            assert_eq!(
                answer(answers).await,
                expected.map_err(str::to_owned),
                "{answers:?}"
            );
        }
    }
}
