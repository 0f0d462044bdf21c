//! Questions that are asked at the same time.

use std::collections::BTreeMap;
use std::future::Future;

use tokio::task::JoinSet;

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

/// What several Regions answered.
pub(super) struct Answers<T> {
    pub(super) by_region: BTreeMap<String, T>,
    /// Those that did not, each with the call that shows it.
    pub(super) unreached: BTreeMap<String, String>,
}

/// Asks Regions at once, each its own question. One that does not answer is noted.
pub(super) async fn each<T, F>(
    questions: impl IntoIterator<Item = (String, F)>,
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
