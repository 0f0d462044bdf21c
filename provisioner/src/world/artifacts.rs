//! The bucket with the function's packages, and the object that says who is applying.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::call::{AwsCall, CallError};
use crate::topology::Region;

/// `DeleteObjects` takes no more at once.
const DELETE_AT_ONCE: usize = 1000;

/// One bucket. Its owner is named in every call, so that a bucket that someone else took the name of is
/// neither written nor trusted.
#[derive(Debug, Clone)]
pub struct Bucket {
    client: Client,
    region: Region,
    name: String,
    owner: String,
}

/// An object small enough to be read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallObject {
    pub body: Vec<u8>,
    /// Tells this content from another.
    pub etag: String,
    /// When it was written, by the bucket's clock, in seconds since 1970.
    pub modified_at_seconds: i64,
}

/// What a conditional write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionalWrite {
    /// It was written; this is the new content's tag.
    Written { etag: String },
    /// Someone else was first.
    Lost,
}

impl Bucket {
    /// The bucket `name` of account `owner`.
    pub fn new(client: Client, region: &Region, name: &str, owner: &str) -> Self {
        Self {
            client,
            region: region.clone(),
            name: name.to_owned(),
            owner: owner.to_owned(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, operation: &'static str) -> AwsCall {
        AwsCall::new("S3", operation, &self.region)
    }

    /// The objects whose keys begin with `prefix`, each with its newest version; nothing if the bucket is not there.
    pub async fn newest(&self, prefix: &str) -> Result<Option<BTreeMap<String, String>>, CallError> {
        let mut newest = BTreeMap::new();
        let (mut key, mut version) = (None, None);
        loop {
            let page = self
                .client
                .list_object_versions()
                .bucket(&self.name)
                .expected_bucket_owner(&self.owner)
                .prefix(prefix)
                .set_key_marker(key)
                .set_version_id_marker(version)
                .send()
                .await
                .map_err(|error| self.call("ListBucketVersions").failed(error));
            let page = match page {
                Ok(page) => page,
                Err(error) if error.is("NoSuchBucket") => return Ok(None),
                Err(error) => return Err(error),
            };
            let versions = page.versions.unwrap_or_default().into_iter();
            newest.extend(
                versions
                    .filter(|it| it.is_latest == Some(true))
                    .filter_map(|it| Some((it.key?, it.version_id?))),
            );
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
            if page.is_truncated != Some(true) || key.is_none() {
                return Ok(Some(newest));
            }
        }
    }

    /// Writes an object, and tells which version it became: only that one is what was written, whatever others put
    /// under the same key.
    pub async fn put(&self, key: &str, body: Vec<u8>, content_type: &str) -> Result<String, CallError> {
        let answer = self
            .client
            .put_object()
            .bucket(&self.name)
            .expected_bucket_owner(&self.owner)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(|error| self.call("PutObject").failed(error))?;
        answer.version_id.ok_or_else(|| {
            self.call("PutObject")
                .lacks("the object's version: the bucket must be versioned")
        })
    }

    /// Reads an object, if it is there.
    pub async fn get(&self, key: &str) -> Result<Option<SmallObject>, CallError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.name)
            .expected_bucket_owner(&self.owner)
            .key(key)
            .send()
            .await
            .map_err(|error| self.call("GetObject").failed(error));
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.is("NoSuchKey") || error.is("NoSuchBucket") => return Ok(None),
            Err(error) => return Err(error),
        };
        let etag = answer
            .e_tag
            .clone()
            .ok_or_else(|| self.call("GetObject").lacks("its ETag"))?;
        let modified_at_seconds = answer
            .last_modified
            .ok_or_else(|| self.call("GetObject").lacks("the time of its last write"))?
            .secs();
        let body = answer
            .body
            .collect()
            .await
            .map_err(|error| CallError::Unanswered {
                call: self.call("GetObject"),
                source: error.into(),
            })?;
        Ok(Some(SmallObject {
            body: body.to_vec(),
            etag,
            modified_at_seconds,
        }))
    }

    /// Writes an object only if what is there is what the caller saw: nothing, or the content with this tag.
    pub async fn put_if(
        &self,
        key: &str,
        body: Vec<u8>,
        expected_etag: Option<&str>,
    ) -> Result<ConditionalWrite, CallError> {
        let request = self
            .client
            .put_object()
            .bucket(&self.name)
            .expected_bucket_owner(&self.owner)
            .key(key)
            .content_type("application/json")
            .body(ByteStream::from(body));
        let request = match expected_etag {
            Some(etag) => request.if_match(etag),
            None => request.if_none_match("*"),
        };
        let answer = request
            .send()
            .await
            .map_err(|error| self.call("PutObject").failed(error));
        match answer {
            Ok(answer) => Ok(ConditionalWrite::Written {
                etag: answer
                    .e_tag
                    .ok_or_else(|| self.call("PutObject").lacks("the new ETag"))?,
            }),
            Err(error) if is_lost(&error) => Ok(ConditionalWrite::Lost),
            Err(error) => Err(error),
        }
    }

    /// Removes an object if it still has the content with this tag, and tells whether it had.
    pub async fn delete_if(&self, key: &str, expected_etag: &str) -> Result<bool, CallError> {
        let answer = self
            .client
            .delete_object()
            .bucket(&self.name)
            .expected_bucket_owner(&self.owner)
            .key(key)
            .if_match(expected_etag)
            .send()
            .await
            .map_err(|error| self.call("DeleteObject").failed(error));
        match answer {
            Ok(_) => Ok(true),
            Err(error) if is_lost(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes every version of every object, up to one page of them; tells how many went. Zero means that
    /// the bucket is empty, or not there.
    pub async fn delete_some_versions(&self) -> Result<usize, CallError> {
        let listed = self
            .client
            .list_object_versions()
            .bucket(&self.name)
            .expected_bucket_owner(&self.owner)
            .max_keys(DELETE_AT_ONCE as i32)
            .send()
            .await
            .map_err(|error| self.call("ListBucketVersions").failed(error));
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) if error.is("NoSuchBucket") => return Ok(0),
            Err(error) => return Err(error),
        };
        let versions = listed
            .versions
            .unwrap_or_default()
            .into_iter()
            .map(|it| (it.key, it.version_id));
        let markers = listed
            .delete_markers
            .unwrap_or_default()
            .into_iter()
            .map(|it| (it.key, it.version_id));
        let mut wanted = Delete::builder().quiet(true);
        let mut count = 0;
        for (key, version) in versions.chain(markers) {
            let Some(key) = key else { continue };
            let object = ObjectIdentifier::builder()
                .key(key)
                .set_version_id(version)
                .build()
                .map_err(|error| CallError::Unanswered {
                    call: self.call("DeleteObjects"),
                    source: error.into(),
                })?;
            wanted = wanted.objects(object);
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let wanted = wanted.build().map_err(|error| CallError::Unanswered {
            call: self.call("DeleteObjects"),
            source: error.into(),
        })?;
        let answer = self
            .client
            .delete_objects()
            .bucket(&self.name)
            .expected_bucket_owner(&self.owner)
            .delete(wanted)
            .send()
            .await
            .map_err(|error| self.call("DeleteObjects").failed(error))?;
        // Single objects fail inside a successful answer.
        match answer.errors.unwrap_or_default().into_iter().next() {
            Some(error) => Err(CallError::Refused {
                call: self.call("DeleteObjects"),
                code: error.code.unwrap_or_else(|| "InternalError".into()),
                message: format!(
                    "{}: {}",
                    error.key.unwrap_or_default(),
                    error.message.unwrap_or_default()
                ),
            }),
            None => Ok(count),
        }
    }
}

/// Whether a condition did not hold. A conflict is a concurrent conditional write; a missing key under `If-Match` is
/// one that was removed meanwhile.
fn is_lost(error: &CallError) -> bool {
    ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"]
        .iter()
        .any(|code| error.is(code))
}
