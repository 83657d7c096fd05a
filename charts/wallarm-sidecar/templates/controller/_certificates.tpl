{{/* Arguments that tell the injector where its certificate comes from. */}}
{{- define "wallarm.certificateArgs" -}}
{{- if eq (include "wallarm.certificates" .) "self-issued" -}}
- --tls-source=self-issued
- --tls-names={{ include "wallarm.webhookNames" . | fromYamlArray | join "," }}
- --tls-secret={{ include "wallarm.tlsSecret" . }}
- --webhook={{ include "wallarm.fullname" . }}
- --lease={{ include "wallarm.fullname" . }}-controller
{{- else -}}
- --tls-source=files
- --tls-cert-file=/etc/controller/tls/tls.crt
- --tls-key-file=/etc/controller/tls/tls.key
{{- end -}}
{{- end -}}
