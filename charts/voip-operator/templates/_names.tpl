{{/* Name of everything in the release's namespace. */}}
{{- define "voip-operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* Name of what lies in no namespace, of which another release has its own. */}}
{{- define "voip-operator.global-name" -}}
{{ include "voip-operator.name" . }}-{{ .Release.Namespace }}
{{- end -}}

{{- define "voip-operator.service-account" -}}
{{ .Values.serviceAccount.name | default (include "voip-operator.name" .) }}
{{- end -}}

{{- define "voip-operator.selector" -}}
app.kubernetes.io/name: voip-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "voip-operator.labels" -}}
{{ include "voip-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Image of the program that `name` names. */}}
{{- define "voip-operator.image" -}}
{{ .root.Values.image.repository }}/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- with index .root.Values.image.digests .name }}@{{ . }}{{ end }}
{{- end -}}
