//! `Dialplan`: what happens with a number that was dialled.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::DialplanStatus;
use crate::{ClusterRef, defaults, text};

/// What happens with numbers that are dialled in some contexts.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "voip.dev",
    version = "v1alpha1",
    kind = "Dialplan",
    plural = "dialplans",
    namespaced,
    status = "DialplanStatus",
    derive = "PartialEq",
    doc = "Routes for the calls of a VoipCluster. A cluster without any has one in which users call each other and *43 is the echo test.",
    printcolumn(name = "Contexts", type_ = "string", json_path = ".spec.contexts"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Accepted')].status"
    ),
    printcolumn(name = "Loaded", type_ = "string", json_path = ".status.loaded"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DialplanSpec {
    /// The VoipCluster, in the same namespace. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("clusterRef is immutable: make another Dialplan"))]
    pub cluster_ref: ClusterRef,

    /// Contexts that it serves. A call is in the context of the user who makes it.
    #[serde(default = "defaults::contexts")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 63), regex(pattern = text::LABEL_1123)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub contexts: Vec<String>,

    /// Which Dialplan is asked first when several serve a context: the lowest, then the first by name.
    #[serde(default = "defaults::priority")]
    #[schemars(range(min = 0, max = 100_000))]
    pub priority: i32,

    /// The routes.
    #[schemars(length(min = 1, max = 500))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub routes: Vec<Route>,
}

/// Numbers, and what to do with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Name, unique in the Dialplan.
    #[schemars(length(min = 1, max = 63), regex(pattern = text::LABEL_1123))]
    pub id: String,

    /// Numbers that take this route: `1001` (that number), `1*` (beginning so), `*99` (ending so), `*` (all). A star
    /// that is dialled is written `\*`: the number *43 is `\*43`.
    #[schemars(length(min = 1, max = 64), regex(pattern = text::PATTERN))]
    pub pattern: String,

    /// Which route is taken when several match: the lowest, then the more specific (exact, longer, shorter, all), then
    /// the first by id.
    #[serde(default = "defaults::priority")]
    #[schemars(range(min = 0, max = 100_000))]
    pub priority: i32,

    /// A route that is not takes no call.
    #[serde(default = "defaults::yes")]
    pub enabled: bool,

    /// What to do, in order. Nothing may follow `echo` or `hangup`.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub actions: Vec<RouteAction>,
}

/// One thing to do; exactly one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum RouteAction {
    /// Answers the call if nothing has yet.
    Answer {},
    /// Plays a prompt to its end; answers first if nothing has.
    #[serde(rename_all = "camelCase")]
    PlayAudio {
        /// Name of a prompt, without directory or ending.
        #[schemars(length(min = 1, max = 64), regex(pattern = text::PROMPT))]
        prompt: String,
        /// How often.
        #[serde(default = "defaults::once")]
        #[schemars(range(min = 1, max = 100))]
        repeat: u32,
    },
    /// Calls somebody and joins both until one hangs up. When nobody answers the next action follows; after the last
    /// one the caller gets the final response of the callee.
    #[serde(rename_all = "camelCase")]
    Dial {
        /// `user/NAME`, a user name or one of a user's numbers; `${destination}` stands for the number that was dialled.
        #[schemars(length(min = 6, max = 69), regex(pattern = text::TARGET))]
        target: String,
        /// How long it may ring, seconds.
        #[serde(default = "defaults::ring_seconds")]
        #[schemars(range(min = 1, max = 300))]
        timeout_seconds: u32,
    },
    /// Sends the caller's audio back until the caller hangs up; answers first if nothing has.
    Echo {},
    /// Ends the call: BYE when answered, else the status.
    #[serde(rename_all = "camelCase")]
    Hangup {
        /// SIP status for a call that is not answered.
        #[serde(default = "defaults::declined")]
        #[schemars(range(min = 400, max = 699))]
        status: u16,
    },
}
