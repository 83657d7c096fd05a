{{/* Beginning of the names of all objects; at most 50 characters, so that the longest suffix fits into 63. */}}
{{- define "wallarm.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of a component. Takes (list $ "component"). */}}
{{- define "wallarm.selectorLabels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ default $.Chart.Name $.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of an object of a component. Takes (list $ "component"), and further maps of labels. */}}
{{- define "wallarm.labels" -}}
{{- $ := index . 0 -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" $.Chart.AppVersion
  "app.kubernetes.io/managed-by" $.Release.Service
  "app.kubernetes.io/part-of" "wallarm-sidecar" -}}
{{- $selector := include "wallarm.selectorLabels" . | fromYaml -}}
{{- $labels := merge $own $selector -}}
{{- range (slice . 2) -}}
{{- $labels = merge $labels (. | default dict) -}}
{{- end -}}
{{- toYaml (merge $labels $.Values.extraLabels) -}}
{{- end -}}

{{/* The key `annotations` of an object, or nothing. Takes (list $), and maps of annotations. */}}
{{- define "wallarm.annotations" -}}
{{- $ := index . 0 -}}
{{- $all := dict -}}
{{- range (slice . 1) -}}
{{- $all = merge $all (. | default dict) -}}
{{- end -}}
{{- $all = merge $all $.Values.extraAnnotations -}}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Reference of an image. Takes (list $ image). */}}
{{- define "wallarm.image" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.fullname -}}
{{- $image.fullname -}}
{{- else -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.image }}:{{ default $.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* Name of a component's service account. Takes (list $ "component" values). */}}
{{- define "wallarm.serviceAccountName" -}}
{{- $ := index . 0 -}}
{{- $account := (index . 2).serviceAccount -}}
{{- if $account.create -}}
{{- default (printf "%s-%s" (include "wallarm.fullname" $) (index . 1)) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{/* Fields of a pod that every component has. Takes the component's values. */}}
{{- define "wallarm.podFields" -}}
{{- with .podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ .terminationGracePeriodSeconds }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Fields of a container that every component has. Takes the container's values. */}}
{{- define "wallarm.containerFields" -}}
{{- with .lifecycle }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .livenessProbe }}
livenessProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .readinessProbe }}
readinessProbe:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The limits of a disruption budget. */}}
{{- define "wallarm.disruption" -}}
{{- if not (empty (.minAvailable | toString)) -}}
minAvailable: {{ .minAvailable }}
{{- else -}}
maxUnavailable: {{ .maxUnavailable }}
{{- end -}}
{{- end -}}

{{/* Whether this release installs postanalytics; empty when not. */}}
{{- define "wallarm.postanalytics.isOwn" -}}
{{- if not .Values.postanalytics.external.enabled -}}true{{- end -}}
{{- end -}}

{{/* Where sidecars report to. They run in other namespaces, so the name has to be whole. */}}
{{- define "wallarm.postanalytics.host" -}}
{{- if .Values.postanalytics.external.enabled -}}
{{- .Values.postanalytics.external.host -}}
{{- else -}}
{{- printf "%s-postanalytics.%s.svc" (include "wallarm.fullname" .) .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* How the webhook gets its certificate: `secret`, `cert-manager` or `self-issued`. */}}
{{- define "wallarm.certificates" -}}
{{- $webhook := .Values.controller.admissionWebhook -}}
{{- if $webhook.secret.enabled -}}secret
{{- else if $webhook.certManager.enabled -}}cert-manager
{{- else -}}self-issued
{{- end -}}
{{- end -}}

{{/* Secret that holds the webhook's certificate. */}}
{{- define "wallarm.tlsSecret" -}}
{{- $secret := .Values.controller.admissionWebhook.secret -}}
{{- if and $secret.enabled $secret.existingSecretName -}}
{{- $secret.existingSecretName -}}
{{- else -}}
{{- include "wallarm.fullname" . }}-admission-tls
{{- end -}}
{{- end -}}

{{/* Names that the API server may ask the webhook by. */}}
{{- define "wallarm.webhookNames" -}}
{{- $service := printf "%s-controller" (include "wallarm.fullname" .) -}}
- {{ $service }}.{{ .Release.Namespace }}.svc
- {{ $service }}.{{ .Release.Namespace }}
- {{ $service }}.{{ .Release.Namespace }}.svc.{{ .Values.controller.admissionWebhook.clusterDomainName }}
{{- end -}}
