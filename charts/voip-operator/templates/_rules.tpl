{{/* What the operator does in a namespace that it serves. Nothing here names a wildcard, pods/exec or roles. */}}
{{- define "voip-operator.namespace-rules" -}}
- apiGroups: [voip.dev]
  resources: [voipclusters, dialplans, sipusers]
  verbs: [list, watch]
# Finalizers.
- apiGroups: [voip.dev]
  resources: [voipclusters]
  verbs: [patch]
- apiGroups: [voip.dev]
  resources: [voipclusters/status, dialplans/status, sipusers/status]
  verbs: [patch]
# To own objects whose owner must not go first.
- apiGroups: [voip.dev]
  resources: [voipclusters/finalizers]
  verbs: [update]
# Created in dry-run only, to learn which network mode is admitted; deleted to restart a drained program.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments, daemonsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
# Update, not only patch: certificates are renewed by compare-and-swap.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- define "voip-operator.subject" }}
- kind: ServiceAccount
  name: {{ include "voip-operator.service-account" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
