{{/* Labels that select the server's pods. A Deployment's selector can't change, so neither may these. */}}
{{- define "maestro-server-eso.selectorLabels" -}}
app.kubernetes.io/name: maestro
app.kubernetes.io/instance: {{ .Release.Name | quote }}
component: maestro-server
{{- end }}

{{/* Labels of every object except the pods, which a new chart version would restart. */}}
{{- define "maestro-server-eso.labels" -}}
{{ include "maestro-server-eso.selectorLabels" . }}
app.kubernetes.io/component: server
app.kubernetes.io/part-of: maestro
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | quote }}
{{- end }}

{{/*
Host and port of the MQTT endpoint, and the region that the host names, if any. They never fail, whatever the
endpoint: configmap.yaml alone validates it, so that its error is the one that users see.
*/}}
{{- define "maestro-server-eso.brokerHost" -}}
{{- .Values.broker.endpoint | default "" | lower | regexFind "^[^:]*" -}}
{{- end }}

{{- define "maestro-server-eso.brokerPort" -}}
{{- .Values.broker.endpoint | default "" | regexFind ":[0-9]+$" | trimPrefix ":" | default "8883" -}}
{{- end }}

{{- define "maestro-server-eso.brokerRegion" -}}
{{- $host := include "maestro-server-eso.brokerHost" . -}}
{{- $awsHost := `^.+\.iot\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$` -}}
{{- if regexMatch $awsHost $host }}{{ regexReplaceAll $awsHost $host "${1}" }}{{ end -}}
{{- end }}

{{/* Region of the secrets and the database. */}}
{{- define "maestro-server-eso.region" -}}
{{- .Values.aws.region | default (include "maestro-server-eso.brokerRegion" .) | default "us-east-1" -}}
{{- end }}

{{/* Maestro's MQTT configuration: a helper, so that the Deployment can hash it without rendering configmap.yaml. */}}
{{- define "maestro-server-eso.mqttConfig" -}}
{{- $topics := printf "sources/%s/consumers/+" .Values.broker.sourceId -}}
brokerHost: {{ printf "%s:%s" (include "maestro-server-eso.brokerHost" .) (include "maestro-server-eso.brokerPort" .) | quote }}
caFile: /mnt/secrets-store/ca.crt
clientCertFile: /mnt/secrets-store/certificate
clientKeyFile: /mnt/secrets-store/privateKey
topics:
  sourceEvents: {{ printf "%s/sourceevents" $topics | quote }}
  # The share group hands each status message to one replica; without it every replica would handle all of them.
  agentEvents: {{ printf "$share/statussubscribers/%s/agentevents" $topics | quote }}
{{- end }}

{{/* CA certificates that may sign the database's, or nothing: configmap-rds-ca.yaml validates them. */}}
{{- define "maestro-server-eso.rdsCa" -}}
{{- $shipped := printf "files/rds-ca/%s.pem" (include "maestro-server-eso.region" .) -}}
{{- .Values.database.caBundle | default (.Files.Get $shipped) | replace "\r" "" | trim -}}
{{- end }}

{{/* Database flags, the same for the migration and the server. */}}
{{- define "maestro-server-eso.databaseFlags" -}}
- --db-host-file=/mnt/secrets-store/db.host
- --db-port-file=/mnt/secrets-store/db.port
- --db-user-file=/mnt/secrets-store/db.user
- --db-password-file=/mnt/secrets-store/db.password
- --db-name-file=/mnt/secrets-store/db.name
- --db-sslmode=verify-full
- --db-rootcert=/etc/maestro-rds-ca/ca.pem
{{- end }}

{{- define "maestro-server-eso.image" -}}
{{- with .Values.image -}}
{{ if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end }}
{{- end -}}
{{- end }}

{{/* Nothing that the "restricted" Pod Security Standard forbids, and no writable root file system. The pod sets the rest. */}}
{{- define "maestro-server-eso.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end }}

{{- define "maestro-server-eso.resources" -}}
requests:
  cpu: {{ .Values.deployment.requests.cpu | quote }}
  memory: {{ .Values.deployment.requests.memory | quote }}
limits:
  {{- $request := .Values.deployment.requests.memory }}
  {{- $limit := .Values.deployment.limits.memory | default (include "maestro-server-eso.doubled" $request) }}
  {{- $isAbove := gt (include "maestro-server-eso.bytes" $request | float64) (include "maestro-server-eso.bytes" $limit | float64) }}
  memory: {{ ternary $request $limit $isAbove | quote }}
{{- end }}

{{/* Twice a Kubernetes quantity such as 512Mi, without an exponent. */}}
{{- define "maestro-server-eso.doubled" -}}
{{- $unit := regexFind "[A-Za-z]+$" . }}
{{- printf "%.3f" (mulf 2 (trimSuffix $unit .)) | regexFind "^[0-9]+(\\.[0-9]*[1-9])?" }}{{ $unit }}
{{- end }}

{{/* A Kubernetes quantity such as 512Mi as a number of bytes. */}}
{{- define "maestro-server-eso.bytes" -}}
{{- $powers := dict "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 }}
{{- $unit := regexFind "[A-Za-z]+$" . }}
{{- mulf (trimSuffix $unit .) (get $powers $unit) }}
{{- end }}
