{{/* The name of the installation: that of the release, once. */}}
{{- define "causeway.name" -}}
{{- $name := .Release.Name -}}
{{- if not (contains "causeway" $name) }}{{ $name = printf "%s-causeway" $name }}{{ end -}}
{{- $suffix := .Values.chart.nameSuffix -}}
{{- if $suffix }}{{ $name = printf "%s-%s" $name (trimPrefix "-" $suffix) }}{{ end -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "causeway.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "causeway.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "causeway.selector" -}}
app.kubernetes.io/name: causeway
app.kubernetes.io/instance: {{ include "causeway.name" . }}
{{- end -}}

{{- define "causeway.labels" -}}
{{ include "causeway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "causeway.image" -}}
{{- $image := .Values.deployment.image -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* The Secret with the proxy's certificate. */}}
{{- define "causeway.tlsSecret" -}}
{{- if .Values.certManager.enabled }}{{ include "causeway.name" . }}-tunnel-tls
{{- else }}{{ .Values.secretConfig.servers.businessDataTunnel.secretName }}{{ end -}}
{{- end -}}

{{/* The Secret with the CAs of connectors. */}}
{{- define "causeway.clientCaSecret" -}}
{{- $tunnel := .Values.secretConfig.servers.businessDataTunnel -}}
{{- $tunnel.clientCa.secretName | default $tunnel.secretName -}}
{{- end -}}

{{- define "causeway.webhookSecret" -}}
{{- .Values.kubernetes.webhook.secretName | default (printf "%s-smv-tls" (include "causeway.name" .)) -}}
{{- end -}}

{{- define "causeway.serviceType" -}}
{{- .Values.service.type | default (ternary "ClusterIP" "LoadBalancer" (not (empty .Values.ingress.className))) -}}
{{- end -}}

{{/* The port of the Service: what connectors dial where it is the way in, else that of the pods. */}}
{{- define "causeway.servicePort" -}}
{{- $tunnel := .Values.config.servers.businessDataTunnel -}}
{{- if eq (include "causeway.serviceType" .) "LoadBalancer" }}{{ $tunnel.externalPort }}{{ else }}{{ $tunnel.port }}{{ end -}}
{{- end -}}

{{/*
The admin API is on the pod's loopback, for kubectl port-forward. In the node's own network that is
everybody's who is on the node, so there is none.
*/}}
{{- define "causeway.api" -}}
{{- if and .Values.config.admin.enabled (ne .Values.deployment.kind "DaemonSet") }}true{{ end -}}
{{- end -}}

{{/*
In the node's own network the admin port is everybody's who reaches the node: without metrics to
serve it stays on loopback, where the kubelet is.
*/}}
{{- define "causeway.adminHost" -}}
{{- if and (eq .Values.deployment.kind "DaemonSet") (not .Values.config.metrics.prometheus.enabled) -}}
127.0.0.1
{{- else -}}
0.0.0.0
{{- end -}}
{{- end -}}
