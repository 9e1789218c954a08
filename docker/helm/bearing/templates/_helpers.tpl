{{/* The release's name, with the chart's unless it is in there. */}}
{{- define "bearing.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What tells the pods of this release from others. */}}
{{- define "bearing.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bearing.labels" -}}
{{ include "bearing.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "bearing.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "bearing.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the keys; none if anyone may come in. */}}
{{- define "bearing.secret" -}}
{{- if .Values.keys.existingSecret -}}
{{- .Values.keys.existingSecret -}}
{{- else if .Values.keys.entries -}}
{{- include "bearing.name" . -}}
{{- else if not .Values.keys.insecure -}}
{{- fail "give keys.entries (see `bearing key`) or keys.existingSecret; keys.insecure=true lets anyone in" -}}
{{- end -}}
{{- end -}}

{{- define "bearing.claim" -}}
{{- .Values.persistence.existingClaim | default (printf "data-%s-0" (include "bearing.name" .)) -}}
{{- end -}}

{{/* The component whose pods are written to. */}}
{{- define "bearing.writes" -}}
{{- ternary "replica" "writer" (not (empty .Values.database.existingSecret)) -}}
{{- end -}}

{{/* The pod of the writer, a reader or a replica; takes root, role and resources. */}}
{{- define "bearing.pod" -}}
{{- $reads := eq .role "reader" -}}
{{- $database := ternary .root.Values.database.existingSecret "" (eq .role "replica") -}}
{{- $certificate := and $database .root.Values.database.certificateKey -}}
{{- $secret := include "bearing.secret" .root -}}
{{- with .root -}}
serviceAccountName: {{ include "bearing.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add (.Values.settings.SHUTDOWN_SECONDS | default 30) 10 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $reads }}
# Processes share SQLite's log by memory, which only those of one machine can.
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "bearing.selector" . | nindent 12 }}
            app.kubernetes.io/component: writer
{{- end }}
{{- end }}
containers:
  - name: bearing
    {{- with .root }}
    image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    {{- end }}
    args: [serve]
    ports:
      - {name: http, containerPort: 8000}
    env:
      {{- if not (hasKey .root.Values.settings "THREADS") }}
      - name: BEARING_THREADS
        valueFrom:
          resourceFieldRef: {resource: limits.cpu, divisor: "1"}
      {{- end }}
      {{- if $secret }}
      - {name: BEARING_API_KEYS_FILE, value: /etc/bearing/keys}
      {{- else }}
      - {name: BEARING_INSECURE, value: "1"}
      {{- end }}
      {{- if $reads }}
      - {name: TMPDIR, value: /tmp}
      {{- end }}
      {{- if $database }}
      - name: BEARING_DATA
        valueFrom:
          secretKeyRef: {name: {{ $database }}, key: url}
      {{- end }}
      {{- range $name, $value := .root.Values.settings }}
      - name: BEARING_{{ $name }}
        value: {{ $value | toString | quote }}
      {{- end }}
    resources: {{- toYaml .resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    startupProbe:
      httpGet: {path: /readyz, port: http}
      periodSeconds: 2
      failureThreshold: 300
    readinessProbe:
      httpGet: {path: /readyz, port: http}
      periodSeconds: 5
      timeoutSeconds: 5
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    volumeMounts:
      - name: data
        mountPath: /data
        {{- if $reads }}
        readOnly: true
        {{- end }}
      {{- if $reads }}
      - {name: scratch, mountPath: /tmp}
      {{- end }}
      {{- if $secret }}
      - {name: keys, mountPath: /etc/bearing, readOnly: true}
      {{- end }}
      {{- if $certificate }}
      - {name: database, mountPath: /etc/bearing-database, readOnly: true}
      {{- end }}
{{- $claimed := or $reads .root.Values.persistence.existingClaim }}
{{- if or $claimed $secret $database }}
volumes:
  {{- if $database }}
  # converted models and what is being received; it ends with the pod
  - {name: data, emptyDir: {}}
  {{- else if $claimed }}
  - name: data
    persistentVolumeClaim:
      claimName: {{ include "bearing.claim" .root }}
  {{- end }}
  {{- if $reads }}
  - {name: scratch, emptyDir: {}}
  {{- end }}
  {{- if $secret }}
  - name: keys
    secret:
      secretName: {{ $secret }}
      items: [{key: keys, path: keys}]
  {{- end }}
  {{- if $certificate }}
  - name: database
    secret:
      secretName: {{ $database }}
      items: [{key: {{ .root.Values.database.certificateKey }}, path: server-ca}]
  {{- end }}
{{- end }}
{{- end -}}
