# What an account chooses; terraform.tfvars.example is the shortest start.

variable "region" {
  description = "AWS region of everything here."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: expected the name of an AWS region, such as us-east-1."
  }
}

variable "name" {
  description = "Start of every name here; one account can hold several sets."
  type        = string
  default     = "ssd"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name: expected 2 to 20 of a-z, 0-9 and -, a letter first: bucket names take no more."
  }
}

variable "table_name" {
  description = "DynamoDB table of the experiment ledger (DYNAMODB_EXPERIMENT_TABLE)."
  type        = string
  default     = "ml-experiment-ledger"

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "table_name: expected 3 to 255 of letters, digits, _, . and -."
  }
}

variable "image" {
  description = "Training image (docker/training/Dockerfile.train) with a tag or a digest."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._:/-]+(:[A-Za-z0-9_.-]+|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image: expected a fixed tag or a digest, such as 111122223333.dkr.ecr.us-east-1.amazonaws.com/ssd_training:2026-01-31; latest would train one experiment with two programs."
  }
}

variable "ecr_repository_arn" {
  description = "Repository of the image when it is in ECR; null for a registry that needs no login."
  type        = string
  default     = null

  validation {
    condition     = var.ecr_repository_arn == null || can(regex("^arn:aws[a-z-]*:ecr:[a-z0-9-]+:[0-9]{12}:repository/.+$", var.ecr_repository_arn))
    error_message = "ecr_repository_arn: expected null or arn:aws:ecr:<region>:<account>:repository/<name>."
  }
}

variable "experiments" {
  description = "Experiment files that apply registers in the ledger, as `python -m ssd_training.ledger register` takes them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for path in var.experiments : can(regex("^[A-Za-z0-9_./-]+\\.ya?ml$", path))])
    error_message = "experiments: expected paths of YAML files, of letters, digits, _, ., / and -."
  }
}

variable "git_commit" {
  description = "Commit of the sources in the image (GIT_COMMIT); it is part of the fingerprint."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([0-9a-f]{7,40})?$", var.git_commit))
    error_message = "git_commit: expected 7 to 40 hexadecimal digits, or nothing."
  }
}

variable "dataset_prefix" {
  description = "Folder of the data bucket that becomes /data (DATA_ROOT) on a machine; empty for the whole bucket."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9_-][A-Za-z0-9_./-]*)?$", var.dataset_prefix))
    error_message = "dataset_prefix: expected a key prefix without a leading slash, such as voc2007."
  }
}

variable "num_workers" {
  description = "Machines that work on the queue at once; 0 for table and buckets alone."
  type        = number
  default     = 1

  validation {
    condition     = var.num_workers >= 0 && var.num_workers <= 32 && floor(var.num_workers) == var.num_workers
    error_message = "num_workers: expected a whole number from 0 to 32."
  }
}

variable "instance_types" {
  description = "What a worker may be, x86_64 with an NVIDIA GPU; several find a spot machine sooner."
  type        = list(string)
  default     = ["g5.xlarge", "g4dn.2xlarge", "g4dn.xlarge"]

  validation {
    condition     = length(var.instance_types) > 0 && alltrue([for one in var.instance_types : can(regex("^(g|p)[0-9][a-z0-9-]*\\.[a-z0-9]+$", one))])
    error_message = "instance_types: expected at least one type with a GPU, such as g5.xlarge."
  }
}

variable "max_price_usd_per_hour" {
  description = "Most that a spot machine may cost per hour, USD; null for the on-demand price."
  type        = number
  default     = 0.5
  nullable    = true

  validation {
    condition     = var.max_price_usd_per_hour == null || try(var.max_price_usd_per_hour > 0 && var.max_price_usd_per_hour <= 100, false)
    error_message = "max_price_usd_per_hour: expected null, or more than 0 and at most 100."
  }
}

variable "stop_after_hours" {
  description = "Hours after the last apply at which no machine is left, whatever it does."
  type        = number
  default     = 48

  validation {
    condition     = var.stop_after_hours >= 1 && var.stop_after_hours <= 336 && floor(var.stop_after_hours) == var.stop_after_hours
    error_message = "stop_after_hours: expected a whole number from 1 to 336 (two weeks)."
  }
}

variable "volume_gb" {
  description = "Disk of a machine: system (60 GB), image, data and runs."
  type        = number
  default     = 150

  validation {
    condition     = var.volume_gb >= 100 && var.volume_gb <= 2000
    error_message = "volume_gb: expected 100 to 2000."
  }
}

variable "subnet_ids" {
  description = "Subnets of one VPC for the machines, with a way to the internet; empty for those of the default VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", id))])
    error_message = "subnet_ids: expected names such as subnet-0a1b2c3d."
  }
}

variable "keep_data" {
  description = "Whether `terraform destroy` refuses to delete the ledger and buckets that hold something."
  type        = bool
  default     = true
}
