//! Lambda functions: which there are, what their settings are, whether they are ready.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::EnvironmentResponse;
use fencing::settings::Settings;
use serde_json::Value;

use super::call::{AwsCall, CallError};
use crate::observed::forced::ForcedFence;
use crate::observed::status::FunctionState;
use crate::observed::{FunctionReading, LambdaLimits};
use crate::topology::Region;

/// The functions of one Region.
#[derive(Debug, Clone)]
pub struct Functions {
    client: Client,
    region: Region,
}

/// How far a function is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It answers, and its last update is in effect.
    Ready {
        /// SHA-256 of the package that it runs from, in hexadecimal.
        code_sha256: Option<String>,
    },
    /// Not yet.
    Pending,
    Failed {
        reason: String,
    },
    /// There is none.
    Absent,
}

/// What became of an invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Invoked {
    Answered(Value),
    /// It ended with an error of its own.
    Failed {
        message: String,
    },
    /// There is no such function.
    Absent,
}

impl Functions {
    /// The functions of `region`.
    pub fn new(client: Client, region: &Region) -> Self {
        Self {
            client,
            region: region.clone(),
        }
    }

    fn call(&self, operation: &'static str) -> AwsCall {
        AwsCall::new("Lambda", operation, &self.region)
    }

    pub async fn all(&self) -> Result<Vec<FunctionReading>, CallError> {
        let mut pages = self.client.list_functions().into_paginator().send();
        let mut functions = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call("ListFunctions").failed(error))?;
            functions.extend(page.functions.unwrap_or_default().into_iter().map(|function| {
                FunctionReading {
                    name: function.function_name.unwrap_or_default(),
                    arn: function.function_arn.unwrap_or_default(),
                    code_sha256: function.code_sha256.as_deref().and_then(hexadecimal),
                    environment: variables(function.environment),
                }
            }));
        }
        Ok(functions)
    }

    async fn configuration(&self, name: &str) -> Result<Option<GetFunctionConfigurationOutput>, CallError> {
        let answer = self
            .client
            .get_function_configuration()
            .function_name(name)
            .send()
            .await
            .map_err(|error| self.call("GetFunctionConfiguration").failed(error));
        match answer {
            Ok(function) => Ok(Some(function)),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn by_name(&self, name: &str) -> Result<Option<FunctionReading>, CallError> {
        let function = self.configuration(name).await?;
        Ok(function.map(|function| FunctionReading {
            name: function.function_name.unwrap_or_default(),
            arn: function.function_arn.unwrap_or_default(),
            code_sha256: function.code_sha256.as_deref().and_then(hexadecimal),
            environment: variables(function.environment),
        }))
    }

    /// A function as people ask about it; `None` if there is none of this name.
    pub async fn state(&self, name: &str) -> Result<Option<FunctionState>, CallError> {
        let Some(function) = self.configuration(name).await? else {
            return Ok(None);
        };
        let environment = variables(function.environment);
        let settings = Settings::from_environment(|name| environment.get(name).cloned());
        // A caller who may not read tags sees how things stand from the register alone.
        let tags = self
            .tags(&function.function_arn.clone().unwrap_or_default())
            .await;
        Ok(Some(FunctionState {
            forced: tags.ok().and_then(|tags| ForcedFence::read(&tags)),
            // Some who answer as Lambda does write down a reason that says nothing.
            reason: [function.state_reason, function.last_update_status_reason]
                .into_iter()
                .flatten()
                .find(|reason| !reason.is_empty()),
            // What Lambda leaves out is as it should be.
            state: function
                .state
                .map_or_else(|| "Active".to_owned(), |state| state.as_str().to_owned()),
            update: function
                .last_update_status
                .map_or_else(|| "Successful".to_owned(), |status| status.as_str().to_owned()),
            code: function.code_sha256.unwrap_or_default(),
            settings: settings.map_err(|errors| {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                errors.join("; ")
            }),
        }))
    }

    /// How far a function is.
    pub async fn readiness(&self, name: &str) -> Result<Readiness, CallError> {
        let Some(function) = self.configuration(name).await? else {
            return Ok(Readiness::Absent);
        };
        let state = function.state.as_ref().map_or("Active", |state| state.as_str());
        let update = function
            .last_update_status
            .as_ref()
            .map_or("Successful", |status| status.as_str());
        Ok(match (state, update) {
            // Idle functions lost their network interfaces and get them back with the next invocation.
            ("Active" | "Inactive", "Successful") => Readiness::Ready {
                code_sha256: function.code_sha256.as_deref().and_then(hexadecimal),
            },
            ("Failed", _) => Readiness::Failed {
                reason: function.state_reason.unwrap_or_else(|| "no reason given".into()),
            },
            (_, "Failed") => Readiness::Failed {
                reason: function
                    .last_update_status_reason
                    .unwrap_or_else(|| "no reason given".into()),
            },
            _ => Readiness::Pending,
        })
    }

    /// Has a function serve an event, and waits for its answer.
    pub async fn invoke(&self, name: &str, event: &Value) -> Result<Invoked, CallError> {
        let answer = self
            .client
            .invoke()
            .function_name(name)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|error| self.call("InvokeFunction").failed(error));
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.is("ResourceNotFoundException") => return Ok(Invoked::Absent),
            Err(error) => return Err(error),
        };
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let payload: Value = serde_json::from_slice(&payload)
            .map_err(|_| self.call("InvokeFunction").lacks("what the function answered"))?;
        if let Some(kind) = answer.function_error {
            let message = payload["errorMessage"].as_str().map_or(kind, str::to_owned);
            return Ok(Invoked::Failed { message });
        }
        Ok(Invoked::Answered(payload))
    }

    /// How many executions at once a function has for itself; none if there is no such function.
    pub async fn reserved_concurrency(&self, name: &str) -> Result<u32, CallError> {
        let answer = self
            .client
            .get_function_concurrency()
            .function_name(name)
            .send()
            .await
            .map_err(|error| self.call("GetFunctionConcurrency").failed(error));
        match answer {
            Ok(answer) => Ok(answer
                .reserved_concurrent_executions
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or_default()),
            Err(error) if error.is("ResourceNotFoundException") => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The same, apart from none at all where nothing is reserved.
    pub async fn reserved(&self, name: &str) -> Result<Option<u32>, CallError> {
        let answer = self.client.get_function_concurrency().function_name(name).send();
        let answer = answer
            .await
            .map_err(|error| self.call("GetFunctionConcurrency").failed(error))?;
        let reserved = answer.reserved_concurrent_executions;
        Ok(reserved.and_then(|number| u32::try_from(number).ok()))
    }

    /// Reserves so many executions for a function, or none; with 0 it does not begin any more.
    pub async fn reserve(&self, name: &str, executions: Option<u32>) -> Result<(), CallError> {
        let Some(executions) = executions else {
            let freed = self
                .client
                .delete_function_concurrency()
                .function_name(name)
                .send();
            return match freed.await {
                Ok(_) => Ok(()),
                Err(error) => Err(self.call("DeleteFunctionConcurrency").failed(error)),
            };
        };
        let reserved = self
            .client
            .put_function_concurrency()
            .function_name(name)
            .reserved_concurrent_executions(i32::try_from(executions).unwrap_or(i32::MAX))
            .send();
        match reserved.await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.call("PutFunctionConcurrency").failed(error)),
        }
    }

    /// What stands at a function as tags.
    pub async fn tags(&self, arn: &str) -> Result<BTreeMap<String, String>, CallError> {
        let answer = self.client.list_tags().resource(arn).send().await;
        let answer = answer.map_err(|error| self.call("ListTags").failed(error))?;
        Ok(answer.tags.unwrap_or_default().into_iter().collect())
    }

    pub async fn tag(&self, arn: &str, tags: BTreeMap<String, String>) -> Result<(), CallError> {
        let tags = tags.into_iter().collect();
        let tagged = self
            .client
            .tag_resource()
            .resource(arn)
            .set_tags(Some(tags))
            .send();
        match tagged.await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.call("TagResource").failed(error)),
        }
    }

    pub async fn untag(&self, arn: &str, keys: &[&str]) -> Result<(), CallError> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let untagged = self
            .client
            .untag_resource()
            .resource(arn)
            .set_tag_keys(Some(keys))
            .send();
        match untagged.await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.call("UntagResource").failed(error)),
        }
    }

    /// What the account may do here.
    pub async fn limits(&self) -> Result<LambdaLimits, CallError> {
        let answer = self
            .client
            .get_account_settings()
            .send()
            .await
            .map_err(|error| self.call("GetAccountSettings").failed(error))?;
        let limit = answer
            .account_limit
            .ok_or_else(|| self.call("GetAccountSettings").lacks("the account's limits"))?;
        let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(LambdaLimits {
            unreserved_concurrency: limit
                .unreserved_concurrent_executions
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or_default(),
            code_bytes_limit: unsigned(limit.total_code_size),
            code_bytes_used: unsigned(
                answer
                    .account_usage
                    .map(|usage| usage.total_code_size)
                    .unwrap_or_default(),
            ),
        })
    }
}

/// Lambda's way to write a hash, in the one that everybody else has.
fn hexadecimal(base64: &str) -> Option<String> {
    let bytes = aws_smithy_types::base64::decode(base64).ok()?;
    Some(hex::encode(bytes))
}

fn variables(environment: Option<EnvironmentResponse>) -> BTreeMap<String, String> {
    environment
        .and_then(|environment| environment.variables)
        .unwrap_or_default()
        .into_iter()
        .collect()
}
