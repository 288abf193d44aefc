{{- define "redletter.labels" -}}
app.kubernetes.io/name: redletter
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "redletter.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "redletter.settings" -}}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
REDLETTER_API_PORT: {{ .Values.ports.api | quote }}
REDLETTER_HEALTH_PORT: {{ .Values.ports.health | quote }}
{{- end }}

{{- /* What every pod has: no rights, no token of Kubernetes, a read-only file system but /tmp. */ -}}
{{- define "redletter.pod" -}}
enableServiceLinks: false # a variable REDLETTER_..., made of a service's name, would be an unknown setting
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 16Mi}}
{{- end }}

{{- define "redletter.container" -}}
image: {{ include "redletter.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- end }}
