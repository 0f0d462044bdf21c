//! KMS keys that belong to somebody else, and topics that do.

/// The policy of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyReading {
    /// As it is written.
    Policy(String),
    /// The same of a key that was named by its alias, and the id that this stands for.
    OfAlias { id: String, policy: String },
    /// It could not be read, for this reason.
    Unread(String),
}

/// The key of an existing topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicReading {
    /// As the topic names it: by ARN, id or alias; nothing where it is not encrypted by one.
    Key(Option<String>),
    /// It could not be read, for this reason.
    Unread(String),
}
