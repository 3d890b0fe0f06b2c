//! Reads FILE: a stream of YAML documents as `kubectl apply` takes it.
//!
//! It says whether a document is one of ours and of the right shape, and where it stands. It must not know the
//! rules between fields or between objects; those are `voip_plan::validate`'s.

mod envelope;
mod lines;
mod stream;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::de::DeserializeOwned;
use voip_api::{Dialplan, DialplanSpec, SipUser, SipUserSpec, VoipCluster, VoipClusterSpec};

use envelope::{ConfigMapObject, HasMetadata, Metadata, Object, SecretObject, TypeMeta};
use stream::Document;
use yaml::Problem;

/// More than a cluster of 10,000 users needs.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// Kubernetes' own.
const DEFAULT_NAMESPACE: &str = "default";
const OURS: &str = "voip.dev/v1alpha1";

/// What a file holds.
pub(crate) struct Loaded {
    /// The one cluster.
    pub(crate) cluster: VoipCluster,
    /// Its users and those of others.
    pub(crate) users: Vec<SipUser>,
    /// Dialplans in the order of the file.
    pub(crate) dialplans: Vec<Dialplan>,
    /// Decoded Secrets.
    pub(crate) secrets: BTreeMap<ObjectName, BTreeMap<String, Vec<u8>>>,
    path: PathBuf,
    text: String,
    places: BTreeMap<ObjectId, usize>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("path", &self.path)
            .field("objects", &self.places)
            .finish_non_exhaustive()
    }
}

/// `namespace` and `name`.
pub(crate) type ObjectName = (String, String);

/// An object in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectId {
    /// Kind.
    pub(crate) kind: String,
    /// Namespace; `default` when the document names none.
    pub(crate) namespace: String,
    /// Name.
    pub(crate) name: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl std::str::FromStr for ObjectId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, name) = text.split_once(' ').ok_or(())?;
        let (namespace, name) = name.split_once('/').ok_or(())?;
        Ok(Self { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

/// Why a file was not loaded: the first thing that is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not of the size of a configuration.
    #[error("{} is larger than 16 MiB: this is no configuration", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A document is wrong.
    #[error("{}:{line}: {problem}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Line of the file, counted from 1.
        line: usize,
        /// What is wrong there, and the mend.
        problem: DocumentProblem,
    },
    /// There is nothing to run.
    #[error("{}: no VoipCluster in it: add a document of apiVersion voip.dev/v1alpha1, kind VoipCluster", path.display())]
    NoCluster {
        /// The file.
        path: PathBuf,
    },
}

/// What is wrong with a document.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentProblem {
    /// Its text.
    #[error("{0}")]
    Yaml(#[from] YamlProblem),
    /// A kind that is not read here.
    #[error(
        "{api_version} {kind} is not known here: use VoipCluster, SipUser or Dialplan of voip.dev/v1alpha1, or Secret or ConfigMap of v1"
    )]
    UnknownKind {
        /// As written.
        api_version: String,
        /// As written.
        kind: String,
    },
    /// A known kind with another version.
    #[error("apiVersion {given} of kind {kind} is not known: write apiVersion: {wanted}")]
    WrongVersion {
        /// The kind.
        kind: String,
        /// As written.
        given: String,
        /// The one that there is.
        wanted: &'static str,
    },
    /// Objects in an object.
    #[error("kind {0} is not read here: write its items as documents of their own, separated by ---")]
    List(String),
    /// An object that stands twice in the file.
    #[error("{object} is in line {first_line} already: remove or rename one")]
    Duplicate {
        /// The object.
        object: ObjectId,
        /// Line of the first.
        first_line: usize,
    },
    /// A second cluster.
    #[error(
        "a second VoipCluster (the first is in line {first_line}): one file describes one, start another up for the other"
    )]
    SecondCluster {
        /// Line of the first.
        first_line: usize,
    },
    /// A Secret's `data` that is no base64.
    #[error("data.{key} is not base64: encode it, or write the plain text under stringData")]
    NotBase64 {
        /// The key.
        key: String,
    },
}

/// What is wrong with the text of a document.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct YamlProblem(#[source] Problem);

/// Reads `path`; `-` is standard input. What names no namespace lies in `default`.
pub(crate) fn load(path: &Path) -> Result<Loaded, LoadError> {
    load_into(path, DEFAULT_NAMESPACE)
}

/// Reads `path`; `-` is standard input. What names no namespace lies in `namespace`.
pub(crate) fn load_into(path: &Path, namespace: &str) -> Result<Loaded, LoadError> {
    let read_error = |source| LoadError::Read { path: path.to_owned(), source };
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(read_error)?)
    };
    let mut bytes = Vec::new();
    input.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| read_error(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text")))?;
    parse(path, text, namespace)
}

/// Reads `text` as the content of `path`.
pub(crate) fn parse(path: &Path, text: String, namespace: &str) -> Result<Loaded, LoadError> {
    let mut gathered = Gathered { namespace: namespace.to_owned(), ..Gathered::default() };
    for document in stream::documents(&text) {
        gathered.add(document).map_err(|(line, problem)| LoadError::Document {
            path: path.to_owned(),
            line,
            problem,
        })?;
    }
    let cluster = gathered.cluster.ok_or_else(|| LoadError::NoCluster { path: path.to_owned() })?;
    Ok(Loaded {
        cluster,
        users: gathered.users,
        dialplans: gathered.dialplans,
        secrets: gathered.secrets,
        path: path.to_owned(),
        places: gathered.places,
        text,
    })
}

impl Loaded {
    /// `FILE:LINE` of a field of an object; `FILE` when the object is not in it.
    pub(crate) fn place(&self, object: &ObjectId, field: &str) -> String {
        let file = self.path.display();
        let first_line = self.places.get(object);
        let document = stream::documents(&self.text).into_iter().find(|d| Some(&d.first_line) == first_line);
        match document {
            Some(document) => format!("{file}:{}", lines::line_of(document, field)),
            None => file.to_string(),
        }
    }
}

type Located<T> = Result<T, (usize, DocumentProblem)>;

#[derive(Default)]
struct Gathered {
    /// Of what names none.
    namespace: String,
    cluster: Option<VoipCluster>,
    users: Vec<SipUser>,
    dialplans: Vec<Dialplan>,
    secrets: BTreeMap<ObjectName, BTreeMap<String, Vec<u8>>>,
    places: BTreeMap<ObjectId, usize>,
}

impl Gathered {
    fn add(&mut self, document: Document<'_>) -> Located<()> {
        let TypeMeta { api_version, kind } = read(document)?;
        let missing =
            |field| (lines::line_of(document, ""), YamlProblem(Problem::MissingField(field)).into());
        let api_version = api_version.ok_or_else(|| missing("apiVersion"))?;
        let kind = kind.ok_or_else(|| missing("kind"))?;
        match (api_version.as_str(), kind.as_str()) {
            (OURS, "VoipCluster") => self.add_cluster(document),
            (OURS, "SipUser") => {
                let object: Object<SipUserSpec> = self.read_object(document)?;
                self.place(document, &kind, &object.metadata)?;
                let mut user = SipUser::new(&object.metadata.name, object.spec);
                user.metadata.namespace = Some(object.metadata.namespace);
                self.users.push(user);
                Ok(())
            }
            (OURS, "Dialplan") => {
                let object: Object<DialplanSpec> = self.read_object(document)?;
                self.place(document, &kind, &object.metadata)?;
                let mut dialplan = Dialplan::new(&object.metadata.name, object.spec);
                dialplan.metadata.namespace = Some(object.metadata.namespace);
                self.dialplans.push(dialplan);
                Ok(())
            }
            ("v1", "Secret") => self.add_secret(document),
            ("v1", "ConfigMap") => {
                let object: ConfigMapObject = self.read_object(document)?;
                self.place(document, &kind, &object.metadata)
            }
            _ => Err((lines::line_of(document, "kind"), unknown(api_version, kind))),
        }
    }

    fn read_object<T: DeserializeOwned + HasMetadata>(&self, document: Document<'_>) -> Located<T> {
        let mut object: T = read(document)?;
        let namespace = &mut object.metadata().namespace;
        if namespace.is_empty() {
            namespace.clone_from(&self.namespace);
        }
        Ok(object)
    }

    fn add_cluster(&mut self, document: Document<'_>) -> Located<()> {
        let object: Object<VoipClusterSpec> = self.read_object(document)?;
        let earlier = self.places.iter().find(|(id, _)| id.kind == "VoipCluster").map(|(_, line)| *line);
        self.place(document, "VoipCluster", &object.metadata)?;
        if let Some(first_line) = earlier {
            let line = lines::line_of(document, "kind");
            return Err((line, DocumentProblem::SecondCluster { first_line }));
        }
        let mut cluster = VoipCluster::new(&object.metadata.name, object.spec);
        cluster.metadata.namespace = Some(object.metadata.namespace);
        self.cluster = Some(cluster);
        Ok(())
    }

    fn add_secret(&mut self, document: Document<'_>) -> Located<()> {
        let object: SecretObject = self.read_object(document)?;
        self.place(document, "Secret", &object.metadata)?;
        let mut content = BTreeMap::new();
        for (key, value) in object.data {
            // Line breaks come with `|` blocks and mean nothing in base64.
            let value: String = value.split_ascii_whitespace().collect();
            let Ok(value) = base64::engine::general_purpose::STANDARD.decode(value) else {
                let line = lines::line_of(document, &format!("data.{key}"));
                return Err((line, DocumentProblem::NotBase64 { key }));
            };
            content.insert(key, value);
        }
        content.extend(object.string_data.into_iter().map(|(key, value)| (key, value.into_bytes())));
        self.secrets.insert((object.metadata.namespace, object.metadata.name), content);
        Ok(())
    }

    fn place(&mut self, document: Document<'_>, kind: &str, metadata: &Metadata) -> Located<()> {
        let id = ObjectId {
            kind: kind.to_owned(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
        };
        if let Some(&first_line) = self.places.get(&id) {
            let line = lines::line_of(document, "metadata.name");
            return Err((line, DocumentProblem::Duplicate { object: id, first_line }));
        }
        self.places.insert(id, document.first_line);
        Ok(())
    }
}

fn read<T: DeserializeOwned>(document: Document<'_>) -> Located<T> {
    yaml::parse(document).map_err(|error| (error.line, YamlProblem(error.problem).into()))
}

fn unknown(api_version: String, kind: String) -> DocumentProblem {
    match kind.as_str() {
        "VoipCluster" | "SipUser" | "Dialplan" => {
            DocumentProblem::WrongVersion { kind, given: api_version, wanted: OURS }
        }
        "Secret" | "ConfigMap" => DocumentProblem::WrongVersion { kind, given: api_version, wanted: "v1" },
        _ if kind.ends_with("List") => DocumentProblem::List(kind),
        _ => DocumentProblem::UnknownKind { api_version, kind },
    }
}

#[cfg(test)]
mod tests;
