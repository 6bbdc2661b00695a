{{/* The pod, the same in a Deployment and a DaemonSet. */}}
{{- define "causeway.pod" -}}
{{- $name := include "causeway.name" . }}
{{- $deployment := .Values.deployment }}
{{- $tunnel := .Values.config.servers.businessDataTunnel }}
{{- $admin := .Values.config.metrics.prometheus.port }}
{{- $webhook := .Values.kubernetes.webhook }}
{{- $onNode := eq $deployment.kind "DaemonSet" }}
{{- $mesh := eq .Values.ingress.className "istio" }}
metadata:
  labels:
    {{- include "causeway.labels" . | nindent 4 }}
    {{- if $mesh }}
    sidecar.istio.io/inject: {{ .Values.ingress.istio.sidecar | quote }}
    {{- end }}
    {{- with $deployment.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # proxy.toml is read at start, so a change of it rolls the pods. Certificates are not in here.
    causeway/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    {{- if and $mesh .Values.ingress.istio.sidecar }}
    # Tunnels bring their own TLS and tell their own callers; only dials to services are the mesh's.
    traffic.sidecar.istio.io/excludeInboundPorts: "{{ $tunnel.port }},{{ $admin }}{{ if $webhook.enabled }},{{ $webhook.port }}{{ end }}"
    proxy.istio.io/config: '{"holdApplicationUntilProxyStarts": true, "terminationDrainDuration": "{{ add $deployment.drain.delaySeconds $deployment.drain.deadlineSeconds 15 }}s"}'
    {{- end }}
    {{- with $deployment.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "causeway.serviceAccount" . }}
  # Told to stop, a pod says that it is not ready, accepts for the delay, and then waits for open
  # streams until the deadline. A preStop hook would only put off the first of these.
  terminationGracePeriodSeconds: {{ add $deployment.drain.delaySeconds $deployment.drain.deadlineSeconds 15 }}
  {{- if $onNode }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with $deployment.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $deployment.image.pullSecret }}
  imagePullSecrets:
    - name: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    # So that the secrets below can be read by it and by nobody else.
    fsGroup: 65532
    seccompProfile:
      type: {{ $deployment.seccomp.type }}
      {{- if eq $deployment.seccomp.type "Localhost" }}
      localhostProfile: {{ $deployment.seccomp.localhostProfile }}
      {{- end }}
  {{- with $deployment.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $deployment.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and (not $onNode) $deployment.affinity.podAntiAffinity.topologyKey }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: {{ $deployment.affinity.podAntiAffinity.topologyKey }}
            labelSelector:
              matchLabels: {{- include "causeway.selector" . | nindent 16 }}
  {{- end }}
  {{- with $deployment.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: proxy
      image: {{ include "causeway.image" . }}
      imagePullPolicy: {{ $deployment.image.pullPolicy }}
      args: [proxy, --config, /etc/causeway/config/proxy.toml]
      env:
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
      ports:
        - name: tunnel
          containerPort: {{ $tunnel.port }}
        - name: admin
          containerPort: {{ $admin }}
        {{- if $webhook.enabled }}
        - name: webhook
          containerPort: {{ $webhook.port }}
        {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      # Every second, and for up to two minutes: certificates may still be on their way.
      startupProbe:
        httpGet: &readyz
          path: /readyz
          port: admin
          {{- if eq (include "causeway.adminHost" .) "127.0.0.1" }}
          host: 127.0.0.1
          {{- end }}
        periodSeconds: 1
        timeoutSeconds: 5
        failureThreshold: 120
      # Opens a tunnel to the pod's own listener.
      readinessProbe:
        httpGet: *readyz
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      # That the process answers and no more: a restart would cut streams that are well.
      livenessProbe:
        httpGet:
          path: /healthz
          port: admin
          {{- if eq (include "causeway.adminHost" .) "127.0.0.1" }}
          host: 127.0.0.1
          {{- end }}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      resources: {{- toYaml $deployment.resources | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/causeway/config
          readOnly: true
        # Whole directories: single files in a mount are not renewed.
        - name: tls
          mountPath: /etc/causeway/tls
          readOnly: true
        - name: client-ca
          mountPath: /etc/causeway/client-ca
          readOnly: true
        {{- if $webhook.enabled }}
        - name: webhook
          mountPath: /etc/causeway/webhook
          readOnly: true
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ $name }}
    - name: tls
      secret:
        secretName: {{ include "causeway.tlsSecret" . }}
        defaultMode: 0440
        items:
          - {key: tls.crt, path: tls.crt}
          - {key: tls.key, path: tls.key}
    - name: client-ca
      secret:
        secretName: {{ include "causeway.clientCaSecret" . }}
        defaultMode: 0440
        # Only these: a CA's own key, if it is there, is none of the proxy's business.
        {{- with .Values.secretConfig.servers.businessDataTunnel.clientCa }}
        items:
          - {key: {{ .key | quote }}, path: {{ .key | quote }}}
          {{- with .crlKey }}
          - {key: {{ . | quote }}, path: {{ . | quote }}}
          {{- end }}
        {{- end }}
    {{- if $webhook.enabled }}
    - name: webhook
      secret:
        secretName: {{ include "causeway.webhookSecret" . }}
        defaultMode: 0440
        items:
          - {key: tls.crt, path: tls.crt}
          - {key: tls.key, path: tls.key}
    {{- end }}
{{- end -}}
